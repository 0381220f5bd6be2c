/* SPDX-License-Identifier: MIT */
/*
 * Drops that somebody watches for: the programs write them into a ring, from
 * which they are taken with the rule that they belong to. Who watches says so
 * again and again; PS_WATCH_LEASE_NS after the last time it is over.
 */
#ifndef PS_GUARDER_WATCH_H
#define PS_GUARDER_WATCH_H

#include "bpf/guarder/watch_abi.h"
#include "guarder/compile.h"
#include "guarder/kernel.h"
#include "guarder/ruleset.h"

#define PS_WATCH_LEASE_NS (2 * PS_NS_PER_S)
/* Drops that wait to be asked for; the rest is counted as lost. */
#define PS_WATCH_QUEUE 1024u
#define PS_WATCH_TEXT  384u

struct ps_watched {
    struct ps_gd_drop drop;
    char rule[PS_RULE_ID_MAX + 1];
    char text[PS_WATCH_TEXT];
};

struct ps_watch;

/* kernel is borrowed. */
int ps_watch_new(struct ps_kernel *kernel, struct ps_watch **ret_watch);
void ps_watch_free(struct ps_watch **watch);

/*
 * Watches for drops that one of these rules would match, whatever it would do
 * with them, for PS_WATCH_LEASE_NS from now (CLOCK_MONOTONIC) on. -E2BIG: more
 * than PS_GD_WATCHES.
 */
int ps_watch_set(struct ps_watch *watch, const struct ps_rule *rules, size_t n,
                 ps_ifindex_fn ifindex, void *arg, uint64_t now);
/*
 * Empties the ring into the queue. The rules are those of set or, after a
 * change, of old (else NULL), of which none shares a slot with a newer one: so
 * this must be called after each change, before the next.
 */
void ps_watch_drain(struct ps_watch *watch, const struct ps_ruleset *set,
                    const struct ps_ruleset *old);
/* The oldest one of the queue, borrowed until the next call; NULL: none. */
const struct ps_watched *ps_watch_take(struct ps_watch *watch);
/* Since the start: drops that neither ring nor queue had room for. */
uint64_t ps_watch_lost(const struct ps_watch *watch);

/* A rule in a line: "drop 192.0.2.0/24 > 198.51.100.1 tcp dport 22 (comment)".
 * text has PS_WATCH_TEXT bytes. Returns text. */
const char *ps_watch_text(const struct ps_rule *rule, char *text);

#endif
