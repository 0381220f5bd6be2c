/* SPDX-License-Identifier: MIT */
/* Places and AS numbers by small databases; the MaxMind DBs are the fuzz
 * targets' seeds, made by tests/lab/mmdb.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "locator/asn_index.h"
#include "locator/mmdb.h"
#include "locator/places.h"

#define SEEDS "tests/fuzz/corpus/fuzz_locator_mmdb/"

/* libmaxminddb 1.7 forgets some kilobytes when a file's metadata is broken. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libmaxminddb";
}

static char dir[32];

static int make_dir(void **state _unused_)
{
    snprintf(dir, sizeof(dir), "/tmp/ps-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state _unused_)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void put_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
}

static size_t get_file(const char *path, uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n;

    assert_non_null(file);
    n = fread(data, 1, size, file);
    fclose(file);
    return n;
}

static struct ps_addr addr(const char *text)
{
    struct ps_addr a;

    assert_int_equal(ps_addr_parse(text, &a), 0);
    return a;
}

static int look(const char *seed, const char *ip, struct ps_record *record)
{
    struct ps_mmdb *db = NULL;
    char *reason = NULL, path[128];
    struct ps_addr a = addr(ip);
    int r;

    snprintf(path, sizeof(path), SEEDS "%s", seed);
    assert_int_equal(ps_mmdb_open(path, &db, &reason), 0);
    assert_int_equal(ps_mmdb_built(db), 1780617600);
    memset(record, 0, sizeof(*record));
    r = ps_mmdb_lookup(db, &a, record);
    ps_mmdb_free(&db);
    return r;
}

static void reads_the_nested_layout(void **state _unused_)
{
    struct ps_record record;

    assert_int_equal(look("nested", "10.1.2.3", &record), 0);
    assert_string_equal(record.country, "DE");
    assert_string_equal(record.region, "Land Berlin");
    assert_string_equal(record.city, "Berlin");
    assert_true(record.has_location);
    assert_true(record.latitude == 52.52 && record.longitude == 13.405);
    assert_false(record.has_asn);
    assert_int_equal(look("nested", "fd01::5", &record), 0);
    assert_string_equal(record.city, "Paris");
    assert_int_equal(look("nested", "10.2.0.0", &record), -ENOENT);
    assert_int_equal(look("nested", "fd02::", &record), -ENOENT);
}

static void reads_the_flat_layout(void **state _unused_)
{
    struct ps_record record;

    assert_int_equal(look("flat4", "10.2.255.255", &record), 0);
    assert_string_equal(record.country, "JP");
    assert_string_equal(record.city, "東京");
    assert_true(record.latitude == 35.69 && record.longitude == 139.69);
    /* An IPv4 file knows nothing of IPv6. */
    assert_int_equal(look("flat4", "fd01::5", &record), -ENOENT);
}

static void reads_as_numbers_and_pointers(void **state _unused_)
{
    struct ps_record record;

    assert_int_equal(look("asn", "10.9.9.9", &record), 0);
    assert_true(record.has_asn);
    assert_int_equal(record.asn, 64500);
    assert_string_equal(record.as_name, "Example, Inc.");
    assert_false(ps_record_has_place(&record));
    assert_int_equal(look("asn", "fd00::1", &record), 0);
    assert_int_equal(record.asn, 4200000000);
    assert_int_equal(look("pointer", "10.3.0.1", &record), 0);
    assert_string_equal(record.city, "Rome");
    assert_string_equal(record.country, "IT");
}

/* ---- hostile files ------------------------------------------------------ */

static void refuses_files_that_are_none(void **state _unused_)
{
    static const struct {
        const char *path, *reason;
    } cases[] = {
        {"/nonexistent/x.mmdb", "No such file"},
        {"/tmp", "not a regular file"},
        {"/dev/null", "not a regular file"},
        {"README.md", "not a usable MaxMind DB"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_mmdb *db = NULL;
        char *reason = NULL;

        if (access(cases[i].path, F_OK) < 0 && i == 3)
            continue;
        assert_true(ps_mmdb_open(cases[i].path, &db, &reason) < 0);
        assert_non_null(reason);
        assert_non_null(strstr(reason, cases[i].reason));
        assert_null(db);
        free(reason);
    }
}

static void survives_every_cut_and_flip(void **state _unused_)
{
    uint8_t whole[4096], bytes[4096];
    size_t len = get_file(SEEDS "nested", whole, sizeof(whole));

    for (size_t i = 0; i < 2 * len; i++) {
        const char *path = in_dir("cut.mmdb");
        struct ps_record record = {};
        struct ps_addr a = addr("10.1.2.3");
        struct ps_mmdb *db = NULL;
        char *reason = NULL;

        memcpy(bytes, whole, len);
        if (i >= len)
            bytes[i - len] ^= 0xff;
        put_file(path, bytes, i < len ? i : len);
        if (ps_mmdb_open(path, &db, &reason) == 0) {
            ps_mmdb_lookup(db, &a, &record);
            ps_mmdb_free(&db);
        } else {
            assert_non_null(reason);
        }
        free(reason);
    }
}

static void notices_a_change_in_place(void **state _unused_)
{
    const char *path = in_dir("live.mmdb");
    uint8_t bytes[4096];
    size_t len = get_file(SEEDS "nested", bytes, sizeof(bytes));
    struct ps_addr a = addr("10.1.2.3");
    struct ps_record record = {};
    struct ps_mmdb *db = NULL;
    char *reason = NULL;

    put_file(path, bytes, len);
    assert_int_equal(ps_mmdb_open(path, &db, &reason), 0);
    assert_int_equal(ps_mmdb_lookup(db, &a, &record), 0);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(ps_mmdb_lookup(db, &a, &record), -ESTALE);
    ps_mmdb_free(&db);
}

static void reads_no_nonsense(void **state _unused_)
{
    /* A map with one pair, whose value differs. */
    static const struct {
        const char *key, *bytes;
        size_t len;
    } cases[] = {
        {"country_code", "\x42xx", 3}, /* not capitals */
        {"country_code", "\x42ZZ", 3}, /* unknown */
        {"country_code",
         "\x43"
         "DEU",
         4},                                 /* three */
        {"country_code", "\xa2\x44\x45", 3}, /* a number */
        {"city", "\x42\xc3\x28", 3},         /* not UTF-8 */
        {"city",
         "\x43"
         "a\nb",
         4}, /* a control character */
        {"city",
         "\x43"
         "a\xc2\x80",
         4},                                         /* another */
        {"city", "\x40", 1},                         /* empty */
        {"latitude", "\x68\x7f\xf8\0\0\0\0\0\0", 9}, /* NaN */
        {"latitude", "\x68\x40\x59\0\0\0\0\0\0", 9}, /* 100 */
        {"latitude", "\x68\x40\x49\0\0\0\0\0\0", 9}, /* no longitude */
        {"asn", "\xc0", 1},                          /* AS 0 */
        {"asn", "\x05\x02\1\2\3\4\5", 7},            /* above 32 bits */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_record record = {};
        uint8_t bytes[64] = {0xe1};
        size_t key = strlen(cases[i].key);

        bytes[1] = (uint8_t)(0x40 | key);
        memcpy(bytes + 2, cases[i].key, key);
        memcpy(bytes + 2 + key, cases[i].bytes, cases[i].len);
        assert_int_equal(
            ps_record_read(bytes, 2 + key + cases[i].len, 0, &record), 0);
        if (!ps_record_empty(&record))
            fail_msg("case %zu was believed", i);
    }
}

static void work_for_a_record_is_bounded(void **state _unused_)
{
    enum { DEEP = 4 << 20 };
    uint8_t *bytes = malloc(DEEP);
    struct ps_record record = {};

    /* Arrays in arrays, as deep as the file is long. */
    assert_non_null(bytes);
    bytes[0] = 0xe1;
    bytes[1] = 0x40;
    for (size_t i = 2; i + 1 < DEEP; i += 2) {
        bytes[i] = 1;
        bytes[i + 1] = 4;
    }
    assert_int_equal(ps_record_read(bytes, DEEP, 0, &record), -EBADMSG);
    /* A map that says it has 16 million pairs. */
    memcpy(bytes, "\xff\xff\xff\xff", 4);
    assert_int_equal(ps_record_read(bytes, DEEP, 0, &record), -EBADMSG);
    /* A pointer to itself. */
    memcpy(bytes, "\x20\x00", 2);
    assert_int_equal(ps_record_read(bytes, DEEP, 0, &record), -EBADMSG);
    free(bytes);
}

static void long_texts_end_at_a_character(void **state _unused_)
{
    char text[8];

    assert_true(ps_record_set_text(text, sizeof(text), "abcdef東", 9));
    assert_string_equal(text, "abcdef");
    assert_true(ps_record_set_text(text, sizeof(text), "東京", 6));
    assert_string_equal(text, "東京");
}

/* ---- the ASN table ------------------------------------------------------ */

static int open_csv(const char *text, struct ps_asn_index **ret_index,
                    char **ret_reason)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/t.csv", dir);
    put_file(path, text, strlen(text));
    return ps_asn_open(path, dir, ret_index, ret_reason);
}

static uint32_t asn_of(const struct ps_asn_index *index, const char *ip,
                       struct ps_record *record)
{
    struct ps_addr a = addr(ip);

    memset(record, 0, sizeof(*record));
    return ps_asn_lookup(index, &a, record) == 0 ? record->asn : 0;
}

static void finds_in_the_table(void **state _unused_)
{
    struct ps_asn_index *index = NULL;
    struct ps_record record;
    char *reason = NULL;

    assert_int_equal(
        open_csv("1.0.0.0,1.0.0.255,13335,\"Cloudflare, \"\"Inc\"\".\"\r\n"
                 "1.0.1.0,1.0.1.255,0,Not routed\n"
                 "1.0.4.0,1.0.7.255,38803,Gtelecom\n"
                 "255.255.255.0,255.255.255.255,5,\n"
                 "2001::,2001:0:ffff::,6939,Hurricane Electric LLC\n"
                 "ffff::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,7,Last\n",
                 &index, &reason),
        0);
    assert_int_equal(asn_of(index, "0.255.255.255", &record), 0);
    assert_int_equal(asn_of(index, "1.0.0.0", &record), 13335);
    assert_string_equal(record.as_name, "Cloudflare, \"Inc\".");
    assert_int_equal(asn_of(index, "1.0.0.255", &record), 13335);
    assert_int_equal(asn_of(index, "1.0.1.0", &record), 0);
    assert_int_equal(asn_of(index, "1.0.7.255", &record), 38803);
    assert_int_equal(asn_of(index, "1.0.8.0", &record), 0);
    assert_int_equal(asn_of(index, "255.255.255.255", &record), 5);
    assert_string_equal(record.as_name, "");
    assert_int_equal(asn_of(index, "2000:ffff::", &record), 0);
    assert_int_equal(asn_of(index, "2001::1", &record), 6939);
    assert_int_equal(asn_of(index, "2001:0:ffff::", &record), 6939);
    assert_int_equal(asn_of(index, "2001:0:ffff::1", &record), 0);
    assert_int_equal(asn_of(index, "ffff::1", &record), 7);
    assert_int_equal(ps_asn_overlaps(index), 0);
    ps_asn_free(&index);
}

static void cuts_what_overlaps(void **state _unused_)
{
    struct ps_asn_index *index = NULL;
    struct ps_record record;
    char *reason = NULL;

    assert_int_equal(open_csv("214.95.0.0,215.0.255.255,749,A\n"
                              "215.0.0.0,215.1.3.255,721,B\n"
                              "2001::,2001:2::,1,A\n"
                              "2001:1::,2001:3::,2,B\n",
                              &index, &reason),
                     0);
    assert_int_equal(ps_asn_overlaps(index), 2);
    assert_int_equal(asn_of(index, "214.255.255.255", &record), 749);
    assert_int_equal(asn_of(index, "215.0.0.0", &record), 721);
    assert_int_equal(
        asn_of(index, "2001::ffff:ffff:ffff:ffff:ffff:ffff", &record), 1);
    assert_int_equal(asn_of(index, "2001:1::", &record), 2);
    ps_asn_free(&index);
}

static void refuses_tables_by_line(void **state _unused_)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "is empty"},
        {"\n\n", "no entry"},
        {"hello\n", "line 1: expected first,last"},
        {"16777216,16777471,13335,X\n", "line 1: expected first,last"},
        {"1.0.0.0,1.0.0.9,1,A\n1.0.0.9,1.0.0.1,2,B\n", "line 2: the two"},
        {"1.0.0.0,2001::,1,A\n", "line 1: the two addresses"},
        {"1.0.0.0,1.0.0.9,AS1,A\n", "line 1: the AS number"},
        {"1.0.0.0,1.0.0.9,4294967296,A\n", "line 1: the AS number"},
        {"1.0.0.0,1.0.0.9,1,\"A\n", "line 1: the name"},
        {"2.0.0.0,2.0.0.9,1,A\n1.0.0.0,1.0.0.1,2,B\n", "line 2: the ranges"},
    };
    char line[2048];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ps_asn_index *index = NULL;
        char *reason = NULL;

        assert_true(open_csv(cases[i].text, &index, &reason) < 0);
        assert_non_null(reason);
        if (!strstr(reason, cases[i].reason))
            fail_msg("\"%s\" says: %s", cases[i].text, reason);
        free(reason);
    }
    struct ps_asn_index *index = NULL;
    char *reason = NULL;

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    assert_true(open_csv(line, &index, &reason) < 0);
    assert_non_null(strstr(reason, "line 1: the line is too long"));
    free(reason);
}

/* The index is made anew when the CSV is another, and only then. */
static void index_follows_the_csv(void **state _unused_)
{
    struct ps_asn_index *index = NULL;
    struct ps_record record;
    char *reason = NULL, path[128];

    assert_int_equal(open_csv("1.0.0.0,1.0.0.9,1,A\n", &index, &reason), 0);
    assert_int_equal(asn_of(index, "1.0.0.1", &record), 1);
    ps_asn_free(&index);
    assert_int_equal(open_csv("1.0.0.0,1.0.0.9,22,A\n", &index, &reason), 0);
    assert_int_equal(asn_of(index, "1.0.0.1", &record), 22);
    ps_asn_free(&index);
    /* The same size and time: what stands in the CSV is not read again. */
    struct stat st;

    snprintf(path, sizeof(path), "%s/t.csv", dir);
    assert_int_equal(stat(path, &st), 0);
    put_file(path, "1.0.0.0,1.0.0.9,33,A\n", 21);
    const struct timespec times[] = {st.st_mtim, st.st_mtim};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(ps_asn_open(path, dir, &index, &reason), 0);
    assert_int_equal(asn_of(index, "1.0.0.1", &record), 22);
    ps_asn_free(&index);
}

static void survives_a_broken_index(void **state _unused_)
{
    uint8_t bytes[512], broken[512];
    struct ps_asn_index *index = NULL;
    struct ps_record record;
    char *reason = NULL, pattern[128];
    const char *path;
    glob_t found = {};
    size_t len;

    assert_int_equal(open_csv("1.0.0.0,1.0.0.9,1,Name\n2001::,2002::,2,B\n",
                              &index, &reason),
                     0);
    ps_asn_free(&index);
    snprintf(pattern, sizeof(pattern), "%s/locator.asn-*.idx", dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    path = found.gl_pathv[0];
    len = get_file(path, bytes, sizeof(bytes));
    for (size_t i = 0; i < 2 * len; i++) {
        memcpy(broken, bytes, len);
        if (i >= len)
            broken[i - len] ^= 0xff;
        unlink(path);
        put_file(path, broken, i < len ? i : len);
        if (ps_asn_map(path, &index) == 0) {
            asn_of(index, "1.0.0.1", &record);
            asn_of(index, "2001::1", &record);
            ps_asn_free(&index);
        }
    }
    globfree(&found);
}

/* ---- together ----------------------------------------------------------- */

struct told {
    size_t loaded, refused;
};

static void on_file(void *arg, enum ps_places_kind kind _unused_,
                    const char *path _unused_, const char *reason)
{
    struct told *told = arg;

    if (reason)
        told->refused++;
    else
        told->loaded++;
}

static void asks_all_databases(void **state _unused_)
{
    char *geo[] = {(char *)"/nonexistent.mmdb", (char *)SEEDS "nested",
                   (char *)SEEDS "flat4"};
    char *asn[] = {(char *)SEEDS "asn"};
    struct ps_strlist geo_list = {geo, 3}, asn_list = {asn, 1};
    struct ps_places_config config = {.files = {&geo_list, &asn_list},
                                      .state_dir = dir};
    struct ps_places *places = NULL;
    struct ps_addr a = addr("10.2.0.1");
    struct told told = {};
    Ps__Place *place;

    assert_int_equal(ps_places_new(&config, &places), 0);
    ps_places_load(places, on_file, &told);
    assert_int_equal(told.loaded, 3);
    assert_int_equal(told.refused, 1);
    assert_int_equal(ps_places_usable(places, PS_PLACES_GEO), 2);
    assert_non_null(
        strstr(ps_places_problem(places, PS_PLACES_GEO), "/nonexistent"));
    place = ps_places_find(places, &a);
    assert_non_null(place);
    assert_string_equal(place->country, "JP");
    assert_string_equal(place->special, "private");
    assert_int_equal(place->asn, 64500);
    assert_int_equal(place->n_sources, 2);
    assert_string_equal(place->sources[0], "flat4 (2026-06-05)");
    ps__place__free_unpacked(place, NULL);
    a = addr("8.8.8.8");
    place = ps_places_find(places, &a);
    assert_null(place->country);
    assert_null(place->special);
    assert_false(place->has_asn || place->has_latitude);
    assert_int_equal(place->n_sources, 0);
    ps__place__free_unpacked(place, NULL);
    ps_places_free(&places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_nested_layout),
        cmocka_unit_test(reads_the_flat_layout),
        cmocka_unit_test(reads_as_numbers_and_pointers),
        cmocka_unit_test(refuses_files_that_are_none),
        cmocka_unit_test(survives_every_cut_and_flip),
        cmocka_unit_test(notices_a_change_in_place),
        cmocka_unit_test(reads_no_nonsense),
        cmocka_unit_test(work_for_a_record_is_bounded),
        cmocka_unit_test(long_texts_end_at_a_character),
        cmocka_unit_test(finds_in_the_table),
        cmocka_unit_test(cuts_what_overlaps),
        cmocka_unit_test(refuses_tables_by_line),
        cmocka_unit_test(index_follows_the_csv),
        cmocka_unit_test(survives_a_broken_index),
        cmocka_unit_test(asks_all_databases),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
