/* SPDX-License-Identifier: MIT */
/*
 * A flow's id is its key, packed, in lower-case hexadecimal: the same in every
 * run, of no other flow, and looked up without a search.
 */
#ifndef PS_ANALYZER_FLOW_ID_H
#define PS_ANALYZER_FLOW_ID_H

#include "analyzer/abi.h"

/* Longest id with its final zero byte. */
#define PS_FLOW_ID_TEXT 105

/* text has PS_FLOW_ID_TEXT bytes. Returns text. */
const char *ps_flow_id_format(const struct ps_flow_key *key, char *text);
/* Any text that ps_flow_id_format() did not make is -EINVAL. */
int ps_flow_id_parse(const char *text, struct ps_flow_key *ret_key);

#endif
