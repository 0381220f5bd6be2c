/* SPDX-License-Identifier: MIT */
/*
 * Would libpcap ask the resolver? It does for each word that is neither a word
 * of its language, nor a number or an address, nor stands where ports and
 * protocols do. Where this is not certain, the answer is yes.
 */
#include <arpa/inet.h>
#include <ctype.h>

#include "tracer/expr.h"

/* What the next word is taken for. */
enum kind { HOST, SERVICE };

/* Of the language. `kind` is what it makes of the words that follow. */
static const struct keyword {
    const char *word;
    bool service;
} keywords[] = {
    {"port", true},       {"portrange", true}, {"proto", true},
    {"protochain", true}, {"dst", false},      {"src", false},
    {"host", false},      {"net", false},      {"mask", false},
    {"link", false},      {"ether", false},    {"arp", false},
    {"rarp", false},      {"ip", false},       {"ip6", false},
    {"tcp", false},       {"udp", false},      {"sctp", false},
    {"icmp", false},      {"icmp6", false},    {"igmp", false},
    {"igrp", false},      {"pim", false},      {"vrrp", false},
    {"carp", false},      {"ah", false},       {"esp", false},
    {"atalk", false},     {"aarp", false},     {"decnet", false},
    {"lat", false},       {"sca", false},      {"moprc", false},
    {"mopdl", false},     {"iso", false},      {"clnp", false},
    {"esis", false},      {"isis", false},     {"stp", false},
    {"ipx", false},       {"netbeui", false},  {"llc", false},
    {"less", false},      {"greater", false},  {"broadcast", false},
    {"multicast", false}, {"inbound", false},  {"outbound", false},
    {"ifindex", false},   {"vlan", false},     {"mpls", false},
    {"pppoed", false},    {"pppoes", false},   {"geneve", false},
    {"and", false},       {"or", false},       {"not", false},
    {"len", false},       {"length", false},
};

/* Numbers with a name. */
static const char *const constants[] = {
    "icmptype",
    "icmpcode",
    "icmp-echoreply",
    "icmp-unreach",
    "icmp-sourcequench",
    "icmp-redirect",
    "icmp-echo",
    "icmp-routeradvert",
    "icmp-routersolicit",
    "icmp-timxceed",
    "icmp-paramprob",
    "icmp-tstamp",
    "icmp-tstampreply",
    "icmp-ireq",
    "icmp-ireqreply",
    "icmp-maskreq",
    "icmp-maskreply",
    "icmp6type",
    "icmp6code",
    "icmp6-destinationunreach",
    "icmp6-packettoobig",
    "icmp6-timeexceeded",
    "icmp6-parameterproblem",
    "icmp6-echo",
    "icmp6-echoreply",
    "icmp6-routersolicit",
    "icmp6-routeradvert",
    "icmp6-neighborsolicit",
    "icmp6-neighboradvert",
    "icmp6-redirect",
    "tcpflags",
    "tcp-fin",
    "tcp-syn",
    "tcp-rst",
    "tcp-push",
    "tcp-ack",
    "tcp-urg",
    "tcp-ece",
    "tcp-cwr",
};

static bool is_constant(const char *w, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(constants); i++)
        if (strlen(constants[i]) == len && !memcmp(constants[i], w, len))
            return true;
    return false;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_' ||
           c == ':';
}

/* Digits, in up to four groups between dots, or hexadecimal. */
static bool is_number(const char *w, size_t len)
{
    size_t groups = 1, digits = 0;

    if (len > 2 && w[0] == '0' && (w[1] | 32) == 'x') {
        for (size_t i = 2; i < len; i++)
            if (!isxdigit((unsigned char)w[i]))
                return false;
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (isdigit((unsigned char)w[i])) {
            digits++;
        } else if (w[i] == '.' && digits && groups < 4) {
            groups++;
            digits = 0;
        } else {
            return false;
        }
    }
    return digits > 0;
}

/* Six groups of one or two digits. */
static bool is_mac(const char *w, size_t len)
{
    size_t groups = 1, digits = 0;

    for (size_t i = 0; i < len; i++) {
        if (isxdigit((unsigned char)w[i]) && digits < 2) {
            digits++;
        } else if (w[i] == ':' && digits) {
            groups++;
            digits = 0;
        } else {
            return false;
        }
    }
    return groups == 6 && digits > 0;
}

static bool is_address(const char *w, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;

    if (len < sizeof(text) && memchr(w, ':', len)) {
        memcpy(text, w, len);
        text[len] = '\0';
        if (inet_pton(AF_INET6, text, &addr) == 1)
            return true;
    }
    return is_mac(w, len);
}

static const struct keyword *find_keyword(const char *w, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
        if (strlen(keywords[i].word) == len &&
            !memcmp(keywords[i].word, w, len))
            return &keywords[i];
    return NULL;
}

static bool joins(const struct keyword *k)
{
    return !strcmp(k->word, "and") || !strcmp(k->word, "or") ||
           !strcmp(k->word, "not");
}

struct state {
    enum kind kind;
    bool qualified; /* the word before was a qualifier */
    int brackets;
};

/* Takes one word; false: it may be a name. */
static bool take_word(struct state *s, const char *w, size_t len, bool escaped)
{
    const struct keyword *k = escaped ? NULL : find_keyword(w, len);

    if (k && joins(k)) {
        s->qualified = false;
        return true;
    }
    if (k) {
        if (!s->qualified)
            s->kind = HOST;
        if (k->service)
            s->kind = SERVICE;
        s->qualified = true;
        return true;
    }
    s->qualified = false;
    return s->kind == SERVICE ||
           (!escaped &&
            (is_number(w, len) || is_address(w, len) || is_constant(w, len)));
}

/* Outside of words. Only `or` and `and` go on with what was before them. */
static void take_sign(struct state *s, char c)
{
    if (c == '[')
        s->brackets++;
    else if (c == ']' && s->brackets > 0)
        s->brackets--;
    if (isspace((unsigned char)c) || c == '|' || c == '&' || c == '!')
        return;
    if (c == '(' && s->qualified)
        return;
    s->kind = HOST;
    s->qualified = false;
}

bool ps_expr_numeric(const char *text, char *ret_word, size_t size)
{
    struct state s = {0};

    while (*text) {
        bool escaped = *text == '\\';
        const char *w = text + escaped;
        size_t len = 0;

        if (escaped)
            len = strcspn(w, " !()\t\r\n");
        else if (isalnum((unsigned char)w[0]) || (w[0] == ':' && w[1] == ':'))
            while (is_word(w[len]))
                len++;
        if (!len) {
            take_sign(&s, *text++);
            continue;
        }
        text = w + len;
        /* Between brackets there is only arithmetic. */
        if (s.brackets || take_word(&s, w, len, escaped))
            continue;
        snprintf(ret_word, size, "%.*s", (int)(len < size ? len : size), w);
        return false;
    }
    return true;
}
