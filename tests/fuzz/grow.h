/* SPDX-License-Identifier: MIT */
/*
 * Input with a structure: bytes decide what is made, so that random ones get
 * behind the first check of a parser. Where they end, zeros follow.
 */
#ifndef PS_TESTS_FUZZ_GROW_H
#define PS_TESTS_FUZZ_GROW_H

#include <sqlite3.h>

#include "common/types.h"
#include "common/util.h"

struct grow {
    const uint8_t *data;
    size_t left;
};

uint8_t grow_u8(struct grow *g);
uint64_t grow_u64(struct grow *g);
/* Some of the bytes, by a length byte; borrowed. */
const uint8_t *grow_bytes(struct grow *g, size_t *ret_len);
/* A short text of characters that parsers like; size at least 2. */
const char *grow_text(struct grow *g, char *text, size_t size);
/* Fills memory as it comes. */
void grow_fill(struct grow *g, void *memory, size_t size);

/*
 * A message whose JSON is exact: texts in UTF-8, enums that are known, numbers
 * that JSON can hold, string types that parse. Freed by
 * protobuf_c_message_free_unpacked().
 */
ProtobufCMessage *grow_message(struct grow *g,
                               const ProtobufCMessageDescriptor *desc);
/* The same packed, with some of its bytes changed; owned by the caller. */
uint8_t *grow_packed(struct grow *g, const ProtobufCMessageDescriptor *desc,
                     size_t *ret_len);

/* ---- stores ------------------------------------------------------------- */

/* A directory of this process, removed with its files at the end. */
const char *grow_dir(void);
/* DIR/NAME.db is this, and has no log. */
void grow_file(const char *name, const uint8_t *data, size_t size);

struct grow_table {
    const char *clear;  /* "DELETE FROM …" */
    const char *insert; /* "INSERT OR REPLACE INTO … VALUES (?, …)" */
    const ProtobufCMessageDescriptor *body; /* of blobs, or NULL */
};
/* Rows of any types and contents; what SQLite refuses is left out. */
void grow_rows(struct grow *g, sqlite3 *db, const struct grow_table *tables,
               size_t n);

#endif
