/* SPDX-License-Identifier: MIT */
/*
 * An audit log of somebody else: any bytes (first byte odd), or rows of any
 * contents. It is listed within its bounds, page by page, to an end.
 */
#include "common/audit_internal.h"
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

static void list_all(struct ps_audit *audit)
{
    Ps__ListAuditRequest request = PS__LIST_AUDIT_REQUEST__INIT;
    Ps__AuditList *list = NULL;
    char cursor[PS_AUDIT_CURSOR] = "";

    for (unsigned int page = 0; page < 32; page++) {
        json_t *json;

        request.cursor = cursor[0] ? cursor : NULL;
        if (ps_audit_list(audit, &request, 3, &list) < 0)
            return;
        REQUIRE(list->n_entries <= 3);
        json = ps_json_from_message(&list->base);
        REQUIRE(json);
        json_decref(json);
        if (list->next_cursor)
            snprintf(cursor, sizeof(cursor), "%s", list->next_cursor);
        else
            page = 32;
        ps__audit_list__free_unpacked(list, NULL);
    }
}

static void check_repeat(void *arg, const struct ps_audit_repeat *repeat)
{
    unsigned int *n = arg;

    REQUIRE(++*n <= PS_AUDIT_REPEATS);
    REQUIRE(repeat->key[0] && strlen(repeat->key) <= 128);
    REQUIRE(repeat->len <= PS_AUDIT_REPEAT_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct grow_table tables[] = {
        {"DELETE FROM entry",
         "INSERT OR REPLACE INTO entry VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
         "?,?)",
         NULL},
        {"DELETE FROM repeat",
         "INSERT OR REPLACE INTO repeat VALUES (?,?,?,?,?,?,?)", NULL},
    };
    struct grow g = {data, size};
    struct ps_audit *audit = NULL;
    char *error = NULL;
    bool file = grow_u8(&g) & 1;
    unsigned int repeats = 0;
    int r;

    grow_file("tester.audit", g.data, file ? g.left : 0);
    r = ps_audit_open(grow_dir(), "tester", "tester", "here", PS_AUDIT_MIN_SIZE,
                      &audit, &error);
    REQUIRE(r == 0 || r == -ENOMEM || error);
    REQUIRE(r == 0 || file);
    free(error);
    if (audit && !file)
        grow_rows(&g, ps_store_db(audit->store), tables, ARRAY_SIZE(tables));
    if (audit) {
        list_all(audit);
        (void)ps_audit_repeats(audit, PS_NS_PER_S, check_repeat, &repeats);
    }
    ps_audit_free(&audit);
    return 0;
}
