/* SPDX-License-Identifier: MIT */
#include "gateway/head.h"

#include <strings.h>

static const struct {
    const char *name;
    enum ps_http_method method;
} methods[] = {
    {"GET", PS_HTTP_GET},         {"HEAD", PS_HTTP_HEAD},
    {"POST", PS_HTTP_POST},       {"PUT", PS_HTTP_PUT},
    {"DELETE", PS_HTTP_DELETE},   {"PATCH", PS_HTTP_PATCH},
    {"OPTIONS", PS_HTTP_OPTIONS},
};

const char *ps_http_method_name(enum ps_http_method method)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (methods[i].method == method)
            return methods[i].name;
    return "?";
}

/* tchar of RFC 9110. */
static bool is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    if (!*text)
        return false;
    for (; *text; text++) {
        bool alnum = (*text >= '0' && *text <= '9') ||
                     (*text >= 'a' && *text <= 'z') ||
                     (*text >= 'A' && *text <= 'Z');

        if (!alnum && !strchr(others, *text))
            return false;
    }
    return true;
}

/* Visible characters, blanks, tabs, and bytes above ASCII. */
static bool is_value(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static bool is_target(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " \t");
    len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        text[--len] = '\0';
    return text;
}

/* "http://host/path" as a proxy's client writes it; the host wins. */
static void take_absolute(struct ps_head *head)
{
    static const char *const schemes[] = {"http://", "https://"};
    char *host = NULL, *slash;

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (strncasecmp(head->target, schemes[i], strlen(schemes[i])) == 0)
            host = head->target + strlen(schemes[i]);
    if (!host)
        return;
    slash = strchr(host, '/');
    if (!slash)
        return;
    /* Room for the NUL: the host moves over the scheme's last '/'. */
    memmove(host - 1, host, (size_t)(slash - host));
    slash[-1] = '\0';
    head->host = host - 1;
    head->target = slash;
}

static unsigned int parse_version(const char *text, struct ps_head *head)
{
    if (strncmp(text, "HTTP/", 5) != 0 || strlen(text) != 8 || text[6] != '.')
        return 400;
    if (text[5] != '1' || (text[7] != '0' && text[7] != '1'))
        return 505;
    head->minor = (unsigned int)(text[7] - '0');
    return 0;
}

static unsigned int parse_first_line(char *line, struct ps_head *head,
                                     const char **ret_detail)
{
    char *target = strchr(line, ' '), *version;
    unsigned int status;

    *ret_detail = "The first line must be \"METHOD /path HTTP/1.1\".";
    if (!target)
        return 400;
    *target++ = '\0';
    version = strchr(target, ' ');
    if (!version || !is_token(line))
        return 400;
    *version++ = '\0';
    status = parse_version(version, head);
    if (status) {
        if (status == 505)
            *ret_detail = "Only HTTP/1.1 and HTTP/1.0 are spoken here.";
        return status;
    }
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (ps_streq(methods[i].name, line))
            head->method = methods[i].method;
    if (!head->method) {
        *ret_detail = "No resource knows this method; use GET, HEAD, POST, "
                      "PUT or DELETE.";
        return 501;
    }
    if (strlen(target) > PS_HEAD_MAX_TARGET) {
        *ret_detail = "The path with its query may have 8192 bytes.";
        return 414;
    }
    head->target = target;
    take_absolute(head);
    if (head->target[0] != '/' || !is_target(head->target)) {
        *ret_detail = "The target must be a path that starts with '/', with "
                      "other characters written as %XX.";
        return 400;
    }
    return 0;
}

static unsigned int take_host(struct ps_head *head, const char *value,
                              const char **ret_detail)
{
    *ret_detail = "Name the host once, in one Host field.";
    if (ps_head_find(head, "host"))
        return 400;
    if (!head->host)
        head->host = value;
    return 0;
}

static unsigned int take_length(struct ps_head *head, const char *value,
                                const char **ret_detail)
{
    uint64_t length = 0;

    *ret_detail = "Content-Length must be given once, as a decimal number.";
    if (ps_head_find(head, "content-length") || !*value || strlen(value) > 15)
        return 400;
    for (; *value; value++) {
        if (*value < '0' || *value > '9')
            return 400;
        length = length * 10 + (uint64_t)(*value - '0');
    }
    head->content_length = length;
    return 0;
}

static unsigned int take_encoding(struct ps_head *head _unused_,
                                  const char *value _unused_,
                                  const char **ret_detail)
{
    *ret_detail = "Send the body with a Content-Length; chunked bodies are "
                  "not taken.";
    return 411;
}

static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    while (*list) {
        size_t n;

        list += strspn(list, " \t,");
        n = strcspn(list, " \t,");
        if (n == len && strncasecmp(list, word, n) == 0)
            return true;
        list += n;
    }
    return false;
}

static unsigned int take_connection(struct ps_head *head, const char *value,
                                    const char **ret_detail _unused_)
{
    if (has_word(value, "close"))
        head->keep_alive = false;
    else if (head->minor == 0 && has_word(value, "keep-alive"))
        head->keep_alive = true;
    return 0;
}

static unsigned int take_expect(struct ps_head *head, const char *value,
                                const char **ret_detail)
{
    *ret_detail = "The only expectation met here is \"100-continue\".";
    if (strcasecmp(value, "100-continue") != 0)
        return 417;
    head->expect_continue = head->minor == 1;
    return 0;
}

static const struct {
    const char *name;
    unsigned int (*take)(struct ps_head *head, const char *value,
                         const char **ret_detail);
} known_fields[] = {
    {"host", take_host},
    {"content-length", take_length},
    {"transfer-encoding", take_encoding},
    {"connection", take_connection},
    {"expect", take_expect},
};

static unsigned int parse_field(char *line, struct ps_head *head,
                                const char **ret_detail)
{
    char *colon = strchr(line, ':'), *value;

    *ret_detail = "A header line must be \"Name: value\", on one line.";
    if (!colon)
        return 400;
    *colon = '\0';
    value = trim(colon + 1);
    if (!is_token(line) || !is_value(value))
        return 400;
    if (head->n == PS_HEAD_MAX_FIELDS) {
        *ret_detail = "A request may have 64 header lines.";
        return 431;
    }
    for (size_t i = 0; i < ARRAY_SIZE(known_fields); i++) {
        unsigned int status;

        if (strcasecmp(known_fields[i].name, line) != 0)
            continue;
        status = known_fields[i].take(head, value, ret_detail);
        if (status)
            return status;
    }
    head->fields[head->n++] = (struct ps_head_field){line, value};
    return 0;
}

/* The next line without its CRLF; NULL at the end. */
static char *next_line(char **cursor)
{
    char *line = *cursor, *end = strstr(line, "\r\n");

    if (!end)
        return NULL;
    *end = '\0';
    *cursor = end + 2;
    return line;
}

unsigned int ps_head_parse(char *text, size_t len, struct ps_head *ret_head,
                           const char **ret_detail)
{
    /* NOLINTNEXTLINE(*.EnumCastOutOfRange): no method yet */
    struct ps_head head = {0};
    char *cursor = text, *line;
    unsigned int status;

    *ret_detail = "The head of the request holds a zero byte.";
    if (memchr(text, '\0', len))
        return 400;
    line = next_line(&cursor);
    *ret_detail = "The head of the request has no end.";
    if (!line)
        return 400;
    status = parse_first_line(line, &head, ret_detail);
    if (status)
        return status;
    head.keep_alive = head.minor == 1;
    while ((line = next_line(&cursor)) && *line) {
        status = parse_field(line, &head, ret_detail);
        if (status)
            return status;
    }
    if (!line || (head.minor == 1 && !head.host)) {
        *ret_detail = "A request must name its host in a Host field and end "
                      "its head with an empty line.";
        return 400;
    }
    *ret_head = head;
    return 0;
}

const char *ps_head_find(const struct ps_head *head, const char *name)
{
    for (size_t i = 0; i < head->n; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            return head->fields[i].value;
    return NULL;
}
