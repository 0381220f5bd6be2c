/* SPDX-License-Identifier: MIT */
#include "gateway/comments.h"

#include "common/util.h"
#include "source.pb-c.h"

extern const unsigned char ps_schema_desc[];
extern const size_t ps_schema_desc_size;

/* Numbers of the steps of a path (source.proto). */
enum {
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    ENUM_VALUE = 2,
};

/* What a path has led to: a message or an enum of this name, or a part. */
struct place {
    const Ps__Source__Message *message;
    const Ps__Source__Enum *enumeration;
    const char *member; /* NULL: it is the whole */
    char name[160];
};

static void go_down(struct place *place, const char *name)
{
    size_t len = strlen(place->name);

    snprintf(place->name + len, sizeof(place->name) - len, ".%s",
             name ? name : "");
}

static bool to_message(struct place *place, Ps__Source__Message **list,
                       size_t n, size_t index)
{
    if (index >= n)
        return false;
    place->message = list[index];
    go_down(place, place->message->name);
    return true;
}

static bool to_enum(struct place *place, Ps__Source__Enum **list, size_t n,
                    size_t index)
{
    if (index >= n)
        return false;
    place->message = NULL;
    place->enumeration = list[index];
    go_down(place, place->enumeration->name);
    return true;
}

/* One step down, from what place is. False: not a thing that has a name. */
static bool step(const Ps__Source__File *file, struct place *place, int kind,
                 size_t index)
{
    const Ps__Source__Message *message = place->message;
    const Ps__Source__Enum *enumeration = place->enumeration;

    if (place->member)
        return false;
    if (enumeration) {
        if (kind != ENUM_VALUE || index >= enumeration->n_value)
            return false;
        place->member = enumeration->value[index]->name;
        return true;
    }
    if (!message && kind == FILE_MESSAGE)
        return to_message(place, file->message_type, file->n_message_type,
                          index);
    if (!message)
        return kind == FILE_ENUM &&
               to_enum(place, file->enum_type, file->n_enum_type, index);
    if (kind == MESSAGE_NESTED)
        return to_message(place, message->nested_type, message->n_nested_type,
                          index);
    if (kind == MESSAGE_ENUM)
        return to_enum(place, message->enum_type, message->n_enum_type, index);
    if (kind != MESSAGE_FIELD || index >= message->n_field)
        return false;
    place->member = message->field[index]->name;
    return true;
}

static bool find_place(const Ps__Source__File *file,
                       const Ps__Source__Location *location,
                       struct place *ret_place)
{
    struct place place = {0};

    snprintf(place.name, sizeof(place.name), "%s", file->package);
    if (location->n_path == 0 || location->n_path % 2 != 0)
        return false;
    for (size_t i = 0; i < location->n_path; i += 2)
        if (location->path[i + 1] < 0 || !step(file, &place, location->path[i],
                                               (size_t)location->path[i + 1]))
            return false;
    *ret_place = place;
    return true;
}

/* The lines of a comment as one; NULL without memory. */
static json_t *plain_text(const char *comment)
{
    _cleanup_free_ char *text = malloc(strlen(comment) + 1);
    size_t n = 0;

    if (!text)
        return NULL;
    for (; *comment; comment++) {
        bool space = *comment == ' ' || *comment == '\n';

        if (!space)
            text[n++] = *comment;
        else if (n > 0 && text[n - 1] != ' ')
            text[n++] = ' ';
    }
    while (n > 0 && text[n - 1] == ' ')
        n--;
    return json_stringn(text, n);
}

static void add_file(json_t *all, const Ps__Source__File *file)
{
    const Ps__Source__Info *info = file->source_code_info;

    for (size_t i = 0; info && i < info->n_location; i++) {
        const Ps__Source__Location *location = info->location[i];
        struct place place;
        json_t *members;

        if (!location->leading_comments || !find_place(file, location, &place))
            continue;
        members = json_object_get(all, place.name);
        if (!members) {
            members = json_object();
            json_object_set_new(all, place.name, members);
        }
        json_object_set_new(members, place.member ? place.member : "",
                            plain_text(location->leading_comments));
    }
}

json_t *ps_comments_load(void)
{
    Ps__Source__FileSet *set =
        ps__source__file_set__unpack(NULL, ps_schema_desc_size, ps_schema_desc);
    json_t *all = set ? json_object() : NULL;

    for (size_t i = 0; all && i < set->n_file; i++)
        add_file(all, set->file[i]);
    if (set)
        ps__source__file_set__free_unpacked(set, NULL);
    return all;
}
