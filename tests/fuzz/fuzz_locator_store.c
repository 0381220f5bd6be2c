/* SPDX-License-Identifier: MIT */
/*
 * locator.db of somebody else: any bytes (first byte odd), or rows of any
 * contents; and the cursor of a list, which comes from a URL.
 */
#include "common/json.h"
#include "locator/cursor.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

static int show(void *arg, Ps__Path *path)
{
    unsigned int *left = arg;
    json_t *json = ps_json_from_message(&path->base);

    REQUIRE(json && *left > 0);
    json_decref(json);
    ps__path__free_unpacked(path, NULL);
    return --*left == 0;
}

static void use(struct ps_history *h, const char *cursor)
{
    struct ps_history_place place;
    unsigned int left = 8;
    Ps__Path *path = NULL;
    uint64_t n;

    ps_history_list(h, NULL, NULL, show, &left);
    left = 8;
    if (ps_path_cursor_read(cursor, &place) == 0)
        ps_history_list(h, NULL, &place, show, &left);
    ps_history_count(h, NULL, &n);
    left = 1;
    if (ps_history_get(h, "r1", &path) == 0)
        show(&left, path);
    ps_history_close_running(h, 1, &(size_t){0});
}

static void check_cursor(const char *text)
{
    struct ps_history_place place, again;
    char *back;

    if (ps_path_cursor_read(text, &place) < 0)
        return;
    back = ps_path_cursor(place.started, place.id);
    REQUIRE(back && ps_path_cursor_read(back, &again) == 0);
    REQUIRE(place.started == again.started && ps_streq(place.id, again.id));
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct grow_table table = {
        "DELETE FROM paths", "INSERT OR REPLACE INTO paths VALUES (?,?,?,?,?)",
        &ps__path__descriptor};
    struct grow g = {data, size};
    bool file = grow_u8(&g) & 1;
    struct ps_history *h = NULL;
    char *error = NULL, text[64];
    sqlite3 *db = NULL;
    char path[128];

    text[0] = 't';
    grow_text(&g, text + 1, sizeof(text) - 1);
    check_cursor(text);
    grow_file("locator", g.data, file ? g.left : 0);
    REQUIRE(ps_history_open(grow_dir(), "locator", 1 << 20, &h, &error) == 0 ||
            file);
    free(error);
    if (h && !file) {
        snprintf(path, sizeof(path), "%s/locator.db", grow_dir());
        REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
        grow_rows(&g, db, &table, 1);
        sqlite3_close(db);
    }
    if (h)
        use(h, text);
    ps_history_free(&h);
    return 0;
}
