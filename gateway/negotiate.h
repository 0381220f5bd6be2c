/* SPDX-License-Identifier: MIT */
/*
 * What a client says of the form in which it takes an answer (RFC 9110, 9111).
 * Pure: no I/O. What cannot be read is as if it were not there.
 */
#ifndef PS_GATEWAY_NEGOTIATE_H
#define PS_GATEWAY_NEGOTIATE_H

#include "gateway/head.h"

/*
 * Whether Accept-Encoding lets gzip be sent and does not like the plain body
 * better: "gzip", "*", "br, gzip;q=0.5". Without the field: no.
 */
bool ps_takes_gzip(const struct ps_head *head);

/*
 * Whether If-None-Match names this entity tag ("\"abc\"", with its quotes):
 * alone, in a list, weak or strong, or as "*".
 */
bool ps_has_etag(const struct ps_head *head, const char *etag);

/*
 * Milliseconds that an answer may be old by Cache-Control: 0 for no-cache,
 * no-store and max-age=0; UINT64_MAX where nothing is said.
 */
uint64_t ps_takes_age_ms(const struct ps_head *head);

#endif
