/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/grow.h"

#include <dirent.h>
#include <fcntl.h>

#include "common/json_internal.h"
#include "tests/fuzz/fuzz.h"

#define MAX_DEPTH 4

uint8_t grow_u8(struct grow *g)
{
    if (g->left == 0)
        return 0;
    g->left--;
    return *g->data++;
}

void grow_fill(struct grow *g, void *memory, size_t size)
{
    size_t n = size < g->left ? size : g->left;

    memset(memory, 0, size);
    if (n > 0)
        memcpy(memory, g->data, n);
    g->data += n;
    g->left -= n;
}

/* Small ones most of the time, and the edges. */
uint64_t grow_u64(struct grow *g)
{
    static const int64_t edges[] = {0,          1,         INT32_MAX, INT32_MIN,
                                    UINT32_MAX, INT64_MAX, INT64_MIN, -1};
    uint8_t kind = grow_u8(g);
    uint64_t value;

    if (kind < 128)
        return kind;
    if (kind < 192)
        return (uint64_t)edges[kind % ARRAY_SIZE(edges)];
    grow_fill(g, &value, sizeof(value));
    return value;
}

const uint8_t *grow_bytes(struct grow *g, size_t *ret_len)
{
    const uint8_t *bytes;
    size_t len = grow_u8(g);

    if (len > g->left)
        len = g->left;
    bytes = g->data;
    g->data += len;
    g->left -= len;
    *ret_len = len;
    return bytes;
}

const char *grow_text(struct grow *g, char *text, size_t size)
{
    static const char *const parts[] = {
        "a", "b", "r1", "0", "7",  "-", ".",  ":",  "/",  "\"", "\\",
        "%", " ", ",",  "=", "\n", "é", "漢", "\t", "fd", "x",  "\x01",
    };
    size_t used = 0;

    for (unsigned int n = grow_u8(g) % 16; n > 0; n--) {
        const char *part = parts[grow_u8(g) % ARRAY_SIZE(parts)];

        if (used + strlen(part) >= size)
            break;
        memcpy(text + used, part, strlen(part));
        used += strlen(part);
    }
    text[used] = '\0';
    return text;
}

/* ---- messages ----------------------------------------------------------- */

static ProtobufCMessage *grow_depth(struct grow *g,
                                    const ProtobufCMessageDescriptor *desc,
                                    unsigned int depth);

/* The example with other digits, where that still is one. */
static ProtobufCMessage *grow_string_type(struct grow *g,
                                          const struct ps_string_type *type)
{
    ProtobufCMessage *msg = ps_message_new(type->desc);
    char text[PS_JSON_TEXT];

    REQUIRE(msg);
    snprintf(text, sizeof(text), "%s", type->example);
    for (size_t i = 0; text[i]; i++)
        if (text[i] >= '0' && text[i] <= '9' && grow_u8(g) & 1)
            text[i] = (char)('0' + grow_u8(g) % 10);
    if (type->parse(text, msg) < 0)
        REQUIRE(type->parse(type->example, msg) == 0);
    return msg;
}

static ProtobufCMessage *grow_json(struct grow *g)
{
    static const char *const texts[] = {"{}", "[1,\"a\"]", "{\"a\":{\"b\":1}}",
                                        "true", "\"x\""};
    Ps__Json *any = (Ps__Json *)ps_message_new(&ps__json__descriptor);

    REQUIRE(any);
    any->text = strdup(texts[grow_u8(g) % ARRAY_SIZE(texts)]);
    REQUIRE(any->text);
    return &any->base;
}

static void grow_string(struct grow *g, void *place)
{
    char text[64];

    *(char **)place = strdup(grow_text(g, text, sizeof(text)));
    REQUIRE(*(char **)place);
}

static void grow_blob(struct grow *g, ProtobufCBinaryData *blob)
{
    const uint8_t *bytes = grow_bytes(g, &blob->len);

    blob->data = blob->len ? malloc(blob->len) : NULL;
    if (blob->len)
        memcpy(blob->data, bytes, blob->len);
}

static void grow_number(struct grow *g, ProtobufCType type, void *place)
{
    uint64_t value = grow_u64(g);
    uint32_t narrow = (uint32_t)value;

    /* JSON's numbers are exact below this. */
    value &= (UINT64_C(1) << 53) - 1;
    if (ps_field_size(type) == sizeof(narrow))
        memcpy(place, &narrow, sizeof(narrow));
    else
        memcpy(place, &value, sizeof(value));
}

static void grow_value(struct grow *g, const ProtobufCFieldDescriptor *field,
                       void *place, unsigned int depth)
{
    const ProtobufCEnumDescriptor *names = field->descriptor;

    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)place = grow_depth(g, field->descriptor, depth);
        break;
    case PROTOBUF_C_TYPE_STRING:
        grow_string(g, place);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        grow_blob(g, place);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int *)place = names->values[grow_u8(g) % names->n_values].value;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = grow_u8(g) & 1;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)place = (int16_t)grow_u64(g) / 4.0;
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)place = (int16_t)grow_u64(g) / 4.0F;
        break;
    default:
        grow_number(g, field->type, place);
    }
}

static void grow_field(struct grow *g, ProtobufCMessage *msg,
                       const ProtobufCFieldDescriptor *field,
                       unsigned int depth)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = depth < MAX_DEPTH ? grow_u8(g) % 4 : 0;

        REQUIRE(ps_field_alloc(msg, field, n) == 0);
        for (size_t i = 0; i < n; i++) {
            char *values = *(char **)ps_field_place(msg, field);

            grow_value(g, field, values + i * ps_field_size(field->type),
                       depth + 1);
            ++*ps_field_count(msg, field);
        }
        return;
    }
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL &&
        (depth >= MAX_DEPTH || grow_u8(g) & 1))
        return;
    ps_field_clear(msg, field);
    grow_value(g, field, ps_field_place(msg, field), depth + 1);
    ps_field_mark(msg, field);
}

static ProtobufCMessage *grow_depth(struct grow *g,
                                    const ProtobufCMessageDescriptor *desc,
                                    unsigned int depth)
{
    const struct ps_string_type *type = ps_string_type(desc);
    ProtobufCMessage *msg;

    if (type)
        return grow_string_type(g, type);
    if (desc == &ps__json__descriptor)
        return grow_json(g);
    msg = ps_message_new(desc);
    REQUIRE(msg);
    for (unsigned int i = 0; i < desc->n_fields; i++)
        grow_field(g, msg, &desc->fields[i], depth);
    return msg;
}

ProtobufCMessage *grow_message(struct grow *g,
                               const ProtobufCMessageDescriptor *desc)
{
    return grow_depth(g, desc, 0);
}

uint8_t *grow_packed(struct grow *g, const ProtobufCMessageDescriptor *desc,
                     size_t *ret_len)
{
    ProtobufCMessage *msg = grow_message(g, desc);
    size_t len = protobuf_c_message_get_packed_size(msg);
    uint8_t *packed = malloc(len + 1);

    REQUIRE(packed);
    protobuf_c_message_pack(msg, packed);
    protobuf_c_message_free_unpacked(msg, NULL);
    for (unsigned int n = grow_u8(g) % 4; n > 0 && len > 0; n--) {
        size_t at = (size_t)(grow_u8(g) << 8 | grow_u8(g)) % len;

        packed[at] = grow_u8(g);
    }
    *ret_len = len;
    return packed;
}

/* ---- stores ------------------------------------------------------------- */

static char dir[64];

static void remove_dir(void)
{
    DIR *handle = opendir(dir);
    const struct dirent *entry;

    while (handle && (entry = readdir(handle)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(handle), entry->d_name, 0);
    if (handle)
        closedir(handle);
    rmdir(dir);
}

const char *grow_dir(void)
{
    if (!dir[0]) {
        snprintf(dir, sizeof(dir), "/dev/shm/ps-fuzz-XXXXXX");
        REQUIRE(mkdtemp(dir));
        atexit(remove_dir);
    }
    return dir;
}

void grow_file(const char *name, const uint8_t *data, size_t size)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[128];
    int fd;

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        snprintf(path, sizeof(path), "%s/%s.db%s", grow_dir(), name, ends[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/%s.db", grow_dir(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void bind_one(struct grow *g, sqlite3_stmt *stmt, int i,
                     const ProtobufCMessageDescriptor *body)
{
    const uint8_t *bytes;
    uint8_t *packed;
    char text[64];
    size_t len;

    switch (grow_u8(g) % 6) {
    case 0:
        sqlite3_bind_null(stmt, i);
        break;
    case 1:
        sqlite3_bind_int64(stmt, i, (sqlite3_int64)grow_u64(g));
        break;
    case 2:
        sqlite3_bind_text(stmt, i, grow_text(g, text, sizeof(text)), -1,
                          SQLITE_TRANSIENT);
        break;
    case 3:
        bytes = grow_bytes(g, &len);
        sqlite3_bind_blob(stmt, i, bytes, (int)len, SQLITE_TRANSIENT);
        break;
    case 4:
        sqlite3_bind_zeroblob(stmt, i, grow_u8(g));
        break;
    default:
        if (!body)
            break;
        packed = grow_packed(g, body, &len);
        sqlite3_bind_blob(stmt, i, packed, (int)len, SQLITE_TRANSIENT);
        free(packed);
    }
}

void grow_rows(struct grow *g, sqlite3 *db, const struct grow_table *tables,
               size_t n)
{
    for (size_t i = 0; i < n; i++)
        REQUIRE(sqlite3_exec(db, tables[i].clear, NULL, NULL, NULL) ==
                SQLITE_OK);
    for (unsigned int rows = grow_u8(g) % 8; rows > 0; rows--) {
        const struct grow_table *table = &tables[grow_u8(g) % n];
        sqlite3_stmt *stmt = NULL;

        REQUIRE(sqlite3_prepare_v2(db, table->insert, -1, &stmt, NULL) ==
                SQLITE_OK);
        for (int k = 1; k <= sqlite3_bind_parameter_count(stmt); k++)
            bind_one(g, stmt, k, table->body);
        sqlite3_step(stmt);
        sqlite3_finalize(stmt);
    }
}
