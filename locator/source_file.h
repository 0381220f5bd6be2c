/* SPDX-License-Identifier: MIT */
/* The user's database files: opened with care, refused with a reason. */
#ifndef PS_LOCATOR_SOURCE_FILE_H
#define PS_LOCATOR_SOURCE_FILE_H

#include <sys/stat.h>

#include "common/util.h"

/*
 * Opens a regular, non-empty file of at most max_bytes for reading. Returns
 * the descriptor (never waits, as a FIFO would make it), or -errno with a
 * sentence in ret_reason, owned by the caller (NULL without memory).
 */
int ps_source_open(const char *path, uint64_t max_bytes, struct stat *ret_st,
                   char **ret_reason);

/*
 * The line that a licence wants shown: first line of PATH.attribution, ""
 * where there is none that can be shown.
 */
void ps_source_attribution(const char *path, char *ret_text, size_t size);

#endif
