/* SPDX-License-Identifier: MIT */
/*
 * Texts as they stand in a URL, one after the other (with a zero byte between
 * them), put into fields of a message: type byte, then for each its field
 * byte and text. The message must stay whole, whatever was refused.
 */
#include "common/json.h"
#include "common/types.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
#include "descriptors.inc"
};

static void set_one(ProtobufCMessage *msg, uint8_t which, const char *text)
{
    const ProtobufCMessageDescriptor *desc = msg->descriptor;
    struct ps_json_error error;
    const char *name = "none";
    int r;

    if (desc->n_fields > 0)
        name = desc->fields[which % desc->n_fields].name;
    r = ps_json_set_field(msg, name, text, &error);
    REQUIRE(r == 0 || r == -EINVAL || (r == -ENOENT && desc->n_fields == 0));
    if (r == 0)
        return;
    REQUIRE(error.detail[0]);
    REQUIRE(ps_utf8_valid(error.detail, strlen(error.detail)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ProtobufCMessage *msg;
    char *text, *print = NULL;

    if (size < 2)
        return 0;
    text = malloc(size + 1);
    REQUIRE(text);
    memcpy(text, data, size);
    text[size] = '\0';
    msg = ps_message_new(descriptors[data[0] % ARRAY_SIZE(descriptors)]);
    REQUIRE(msg);
    for (size_t at = 1; at + 1 < size; at += strlen(text + at) + 1)
        if (text[at])
            set_one(msg, data[at], text + at + 1);
    REQUIRE(ps_json_print(msg, &print, NULL) == 0);
    free(print);
    protobuf_c_message_free_unpacked(msg, NULL);
    free(text);
    return 0;
}
