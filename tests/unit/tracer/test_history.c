/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "common/json.h"
#include "tests/unit/tracer/history.h"
#include "tracer/convert.h"

static Ps__Trace *make_trace(const char *id, Ps__Trace__State state)
{
    Ps__Trace *t = (Ps__Trace *)ps_message_new(&ps__trace__descriptor);

    t->id = strdup(id);
    t->state = state;
    t->filter =
        (Ps__TraceFilter *)ps_message_new(&ps__trace_filter__descriptor);
    t->created = (Ps__Time *)ps_message_new(&ps__time__descriptor);
    return t;
}

/* A text of so many bytes that deflate cannot shorten. */
static char *make_noise(size_t size, uint32_t seed)
{
    char *text = malloc(size + 1);

    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)('!' + (seed >> 8) % 94);
    }
    text[size] = '\0';
    return text;
}

static Ps__PacketWay *make_packet(uint32_t n, size_t size)
{
    Ps__PacketWay *w =
        (Ps__PacketWay *)ps_message_new(&ps__packet_way__descriptor);

    w->id = n;
    w->tuple = (Ps__Tuple *)ps_message_new(&ps__tuple__descriptor);
    w->first = (Ps__Time *)ps_message_new(&ps__time__descriptor);
    w->last = (Ps__Time *)ps_message_new(&ps__time__descriptor);
    w->fate = make_noise(size, n);
    return w;
}

static void put(struct ps_history *h, const char *id, uint32_t n, size_t size,
                uint64_t *ret_lost)
{
    Ps__PacketWay **ways = calloc(n, sizeof(*ways));
    Ps__Trace *t = make_trace(id, PS__TRACE__STATE__done);
    size_t done = 0;
    int r;

    for (uint32_t i = 0; i < n; i++)
        ways[i] = make_packet(i, size);
    assert_int_equal(ps_history_put(h, t), 0);
    r = ps_history_add(h, id, ways, n, &done);
    assert_int_equal(r, done < n ? -EDQUOT : 0);
    *ret_lost = n - done;
    for (uint32_t i = 0; i < n; i++)
        ps__packet_way__free_unpacked(ways[i], NULL);
    free(ways);
    ps__trace__free_unpacked(t, NULL);
}

/* The numbers on a page, then where the next one begins: "0 1 2 >3". */
static void page(struct ps_history *h, const struct ps_history_want *want,
                 const char *wanted)
{
    struct ps_history_page p = {0};
    char text[256] = "";
    size_t len = 0;

    assert_int_equal(ps_history_ways(h, "a", want, &p), 0);
    assert_false(p.partial);
    for (size_t i = 0; i < p.n; i++) {
        assert_true(p.ways[i]->stored);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%d ",
                                (int)p.ways[i]->id);
    }
    snprintf(text + len, sizeof(text) - len, ">%u", p.next);
    assert_string_equal(text, wanted);
    ps_history_page_clear(&p);
}

#define PAGE(h, wanted, ...) \
    page(h, &(const struct ps_history_want){__VA_ARGS__}, wanted)

static void test_pages(void **state _unused_)
{
    const struct ps_history_want all = {.limit = 10};
    struct ps_history *h = open_history(8 * MIB);
    struct ps_history_page none = {0};
    uint64_t total = 0, lost;

    put(h, "a", 9, 10, &lost);
    assert_int_equal(lost, 0);
    assert_int_equal(ps_history_count(h, "a", false, &total), 0);
    assert_int_equal(total, 9);
    PAGE(h, "0 1 2 3 >4", .limit = 4);
    PAGE(h, "4 5 6 7 >8", .limit = 4, .from = 4);
    PAGE(h, "8 >0", .limit = 4, .from = 8);
    PAGE(h, ">0", .limit = 4, .from = 9);
    PAGE(h, ">0", .limit = 4, .from = UINT32_MAX);
    PAGE(h, "8 7 6 5 >5", .limit = 4, .newest = true);
    PAGE(h, "4 3 2 1 >1", .limit = 4, .newest = true, .from = 5);
    PAGE(h, "0 >0", .limit = 4, .newest = true, .from = 1);
    PAGE(h, "8 7 >7", .limit = 2, .newest = true, .from = UINT32_MAX);
    PAGE(h, ">0", .limit = 4, .newest = true, .drops_only = true);
    assert_int_equal(ps_history_ways(h, "b", &all, &none), -ENOENT);
    assert_int_equal(ps_history_count(h, "b", false, &total), -ENOENT);
    ps_history_free(&h);
}

static void put_stations(struct ps_history *h, const char *const *stations,
                         uint32_t n)
{
    Ps__Trace *t = make_trace("a", PS__TRACE__STATE__done);
    size_t done = 0;

    assert_int_equal(ps_history_put(h, t), 0);
    ps__trace__free_unpacked(t, NULL);
    for (uint32_t i = 0; i < n; i++) {
        Ps__PacketWay *w = make_packet(i, 4);
        Ps__Step *s = (Ps__Step *)ps_message_new(&ps__step__descriptor);

        s->time = (Ps__Time *)ps_message_new(&ps__time__descriptor);
        s->layer = strdup("driver");
        s->station = strdup(stations[i % 3]);
        w->steps = calloc(1, sizeof(*w->steps));
        w->steps[w->n_steps++] = s;
        assert_int_equal(ps_history_add(h, "a", &w, 1, &done), 0);
        ps__packet_way__free_unpacked(w, NULL);
    }
}

static void test_pages_of_a_station(void **state _unused_)
{
    static const char *const stations[] = {"netif_rx", "tcp_probe", "ip_rcv"};
    struct ps_history_want late = {.limit = 50, .station = "no", .deadline = 1};
    struct ps_history *h = open_history(8 * MIB);
    struct ps_history_page p = {0};
    size_t pages = 0;

    put_stations(h, stations, 40);
    PAGE(h, "1 4 7 >10", .limit = 3, .station = "tcp_probe");
    PAGE(h, "10 13 16 >19", .limit = 3, .station = "tcp_probe", .from = 8);
    PAGE(h, "37 34 >32", .limit = 2, .station = "tcp_probe", .newest = true);
    PAGE(h, "4 1 >0", .limit = 9, .station = "tcp_probe", .newest = true,
         .from = 5);
    PAGE(h, ">0", .limit = 9, .station = "tcp");
    /* What takes too long goes on behind where it was, to the end. */
    for (; pages == 0 || late.from; pages++) {
        assert_int_equal(ps_history_ways(h, "a", &late, &p), 0);
        assert_int_equal(p.n, 0);
        assert_int_equal(p.partial, p.next != 0);
        assert_int_equal(p.next, late.from < 32 ? late.from + 16 : 0);
        late.from = p.next;
        ps_history_page_clear(&p);
    }
    assert_int_equal(pages, 3);
    late.newest = true;
    for (pages = 0; pages == 0 || late.from; pages++) {
        assert_int_equal(ps_history_ways(h, "a", &late, &p), 0);
        late.from = p.next;
        ps_history_page_clear(&p);
    }
    assert_int_equal(pages, 3);
    ps_history_free(&h);
}

/* The first version's tables. */
static const char *const first_tables[] = {
    "CREATE TABLE trace ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " state INTEGER NOT NULL,"
    " body BLOB NOT NULL);"
    "CREATE TABLE packet ("
    " trace TEXT NOT NULL,"
    " n INTEGER NOT NULL,"
    " body BLOB NOT NULL,"
    " PRIMARY KEY (trace, n)) WITHOUT ROWID;",
    NULL,
};

static void insert_old(struct ps_store *store, const char *sql, const char *id,
                       int n, const ProtobufCMessage *msg)
{
    uint8_t *body = malloc(protobuf_c_message_get_packed_size(msg));
    sqlite3_stmt *stmt = ps_store_stmt(store, sql);

    assert_non_null(stmt);
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int(stmt, 2, n);
    sqlite3_bind_blob(stmt, 3, body, (int)protobuf_c_message_pack(msg, body),
                      SQLITE_STATIC);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_reset(stmt);
    free(body);
}

static void make_old(void)
{
    Ps__Trace *t = make_trace("a", PS__TRACE__STATE__done);
    struct ps_store *store = NULL;
    char *error = NULL;

    assert_int_equal(
        ps_store_open(dir, "tracer", first_tables, 8 * MIB, &store, &error), 0);
    insert_old(store, "INSERT INTO trace (id, state, body) VALUES (?1, ?2, ?3)",
               "a", PS__TRACE__STATE__done, &t->base);
    for (uint32_t i = 0; i < 3; i++) {
        Ps__PacketWay *w = make_packet(i, 100);

        insert_old(store,
                   "INSERT INTO packet (trace, n, body) VALUES (?1, ?2, ?3)",
                   "a", (int)i, &w->base);
        ps__packet_way__free_unpacked(w, NULL);
    }
    ps__trace__free_unpacked(t, NULL);
    ps_store_free(&store);
}

/* What an older version kept is there, can be added to, and leaves. */
static void test_store_of_an_older_version(void **state _unused_)
{
    Ps__PacketWay *more = make_packet(3, 100), *again = make_packet(1, 50);
    Ps__PacketWay *const ways[] = {more, again};
    const struct ps_history_want all = {.limit = 10};
    struct ps_history_page p = {0};
    Ps__Trace *t = NULL;
    struct ps_history *h;
    size_t done = 0;

    make_old();
    /* Twice: what was taken over stays so. */
    for (int i = 0; i < 2; i++) {
        h = open_history(8 * MIB);
        assert_int_equal(ps_history_get(h, "a", &t), 0);
        ps__trace__free_unpacked(t, NULL);
        page(h, &all, "0 1 2 >0");
        ps_history_free(&h);
    }
    h = open_history(8 * MIB);
    assert_int_equal(ps_history_add(h, "a", ways, 2, &done), 0);
    assert_int_equal(ps_history_ways(h, "a", &all, &p), 0);
    assert_int_equal(p.n, 4);
    assert_int_equal(strlen(p.ways[0]->fate), 100);
    assert_int_equal(strlen(p.ways[1]->fate), 50);
    ps_history_page_clear(&p);
    assert_int_equal(ps_history_delete(h, "a"), 0);
    assert_int_equal(ps_history_get(h, "a", &t), -ENOENT);
    ps_history_free(&h);
    ps__packet_way__free_unpacked(more, NULL);
    ps__packet_way__free_unpacked(again, NULL);
}

static void test_oldest_leave_first(void **state _unused_)
{
    struct ps_history *h = open_history(3 * MIB);
    Ps__Trace *t = NULL;
    uint64_t lost;

    put(h, "a", 100, 8000, &lost);
    put(h, "b", 100, 8000, &lost);
    put(h, "c", 100, 8000, &lost);
    assert_int_equal(lost, 0);
    assert_int_equal(ps_history_get(h, "a", &t), -ENOENT);
    assert_int_equal(ps_history_get(h, "c", &t), 0);
    ps__trace__free_unpacked(t, NULL);
    assert_true(ps_history_evicted(h) > 0);
    /* One that is larger than everything is cut, and says so. */
    put(h, "d", 600, 8000, &lost);
    assert_in_range(lost, 100, 500);
    ps_history_free(&h);
}

/* A packet with so many steps, a microsecond after each other. */
static Ps__PacketWay *make_way(uint32_t n, size_t steps, size_t size)
{
    Ps__PacketWay *w = make_packet(n, 4);

    w->steps = calloc(steps, sizeof(*w->steps));
    for (size_t i = 0; i < steps; i++) {
        Ps__Step *s = (Ps__Step *)ps_message_new(&ps__step__descriptor);

        s->time = (Ps__Time *)ps_message_new(&ps__time__descriptor);
        s->time->unix_ns = 1000 * (i + 1);
        s->has_delta_ns = i > 0;
        s->delta_ns = i ? 1000 : 0;
        s->layer = strdup("driver");
        s->station = make_noise(size, (uint32_t)i);
        w->steps[w->n_steps++] = s;
    }
    return w;
}

/* A way that is too large for its row is there without some of its steps, and
 * those that are written with it are as they were. */
static void test_a_way_that_is_too_large(void **state _unused_)
{
    enum { STEPS = 1000, SIZE = 900 };
    const struct ps_history_want all = {.limit = 10};
    struct ps_history *h = open_history(8 * MIB);
    Ps__Trace *t = make_trace("a", PS__TRACE__STATE__running);
    struct ps_history_page p = {0};
    Ps__PacketWay *ways[3] = {make_way(0, 3, 8), make_way(1, STEPS, SIZE),
                              make_way(2, STEPS, 8)};
    const Ps__PacketWay *cut;
    size_t done = 0;

    assert_int_equal(ps_history_put(h, t), 0);
    assert_int_equal(ps_history_add(h, "a", ways, 3, &done), 0);
    assert_int_equal(done, 3);
    assert_int_equal(ps_history_ways(h, "a", &all, &p), 0);
    assert_int_equal(p.n, 3);
    assert_int_equal(p.ways[0]->n_steps, 3);
    assert_false(p.ways[0]->has_cut);
    assert_int_equal(p.ways[2]->n_steps, STEPS);
    assert_false(p.ways[2]->has_cut);
    cut = p.ways[1];
    assert_true(cut->has_cut);
    assert_int_equal(cut->n_steps + cut->cut, STEPS);
    /* As many as there is room for. */
    assert_in_range(cut->n_steps, (500 << 10) / (SIZE + 40),
                    (512 << 10) / SIZE);
    for (size_t i = 0; i + 1 < cut->n_steps; i++)
        assert_int_equal(cut->steps[i]->time->unix_ns, 1000 * (i + 1));
    assert_int_equal(cut->steps[cut->n_steps - 1]->time->unix_ns, 1000 * STEPS);
    assert_int_equal(cut->steps[cut->n_steps - 1]->delta_ns,
                     1000 * (cut->cut + 1));
    ps_history_page_clear(&p);
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        ps__packet_way__free_unpacked(ways[i], NULL);
    ps__trace__free_unpacked(t, NULL);
    ps_history_free(&h);
}

static void test_restart(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    Ps__Trace *t = make_trace("r", PS__TRACE__STATE__running), *got = NULL;
    Ps__Trace **list = NULL;
    uint64_t total = 0;
    size_t n = 0;

    assert_int_equal(ps_history_put(h, t), 0);
    ps__trace__free_unpacked(t, NULL);
    ps_history_free(&h);
    h = open_history(8 * MIB);
    assert_int_equal(ps_history_recover(h, 1234), 0);
    assert_int_equal(ps_history_get(h, "r", &got), 0);
    assert_int_equal(got->state, PS__TRACE__STATE__done);
    assert_string_equal(got->end_reason, "restart");
    assert_int_equal(got->ended->unix_ns, 1234);
    ps__trace__free_unpacked(got, NULL);
    assert_int_equal(ps_history_list(h, NULL, 0, 10, &list, &n, &total), 0);
    assert_int_equal(total, 1);
    assert_string_equal(list[0]->id, "r");
    ps__trace__free_unpacked(list[0], NULL);
    free(list);
    assert_int_equal(ps_history_delete(h, "r"), 0);
    assert_int_equal(ps_history_get(h, "r", &got), -ENOENT);
    ps_history_free(&h);
}

/* A row that says another id than its body: it ends, with an error. */
static void test_row_of_another(void **state _unused_)
{
    struct ps_history *h = open_history(8 * MIB);
    Ps__Trace *t = make_trace("r", PS__TRACE__STATE__running);
    char path[128];
    sqlite3 *db;

    assert_int_equal(ps_history_put(h, t), 0);
    ps__trace__free_unpacked(t, NULL);
    ps_history_free(&h);
    snprintf(path, sizeof(path), "%s/tracer.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE trace SET id = 's'", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    h = open_history(8 * MIB);
    assert_int_equal(ps_history_recover(h, 1234), -EBADMSG);
    ps_history_free(&h);
}

static void test_not_a_database(void **state _unused_)
{
    struct ps_history *h = NULL;
    char path[128], *error = NULL;
    FILE *f;

    snprintf(path, sizeof(path), "%s/tracer.db", dir);
    f = fopen(path, "we");
    fputs("this is something else, and long enough to be a header of 100 "
          "bytes, which a database would have at least",
          f);
    fclose(f);
    assert_true(ps_history_open(dir, MIB, &h, &error) < 0);
    assert_non_null(error);
    free(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pages, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_pages_of_a_station, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(test_store_of_an_older_version,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_way_that_is_too_large, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(test_oldest_leave_first, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(test_restart, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_row_of_another, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(test_not_a_database, make_dir,
                                        remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
