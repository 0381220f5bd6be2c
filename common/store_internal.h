/* SPDX-License-Identifier: MIT */
/* Opening (store_open.c) and using (store.c) a store. */
#ifndef PS_COMMON_STORE_INTERNAL_H
#define PS_COMMON_STORE_INTERNAL_H

#include "common/store.h"

/* Statements that a store keeps prepared. */
#define PS_STORE_MAX_STATEMENTS 64

struct ps_store {
    sqlite3 *db;
    struct {
        const char *sql;
        sqlite3_stmt *stmt;
    } statements[PS_STORE_MAX_STATEMENTS];
    size_t n_statements;
};

/* The only number that a PRAGMA or SELECT answers with. 0 or -errno. */
int ps_store_query_number(struct ps_store *store, const char *sql,
                          int64_t *ret_value);

#endif
