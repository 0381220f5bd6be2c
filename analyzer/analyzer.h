/* SPDX-License-Identifier: MIT */
/*
 * The analyzer's state and who does what with it:
 *
 *   service.c  options, open and close, capabilities
 *   collect.c  readings of the kernel's maps, and the removal of idle entries
 *   alerts.c   alerts of what was read
 *   report.c   losses, metrics, events of each second
 *   convert.c  messages from what was read
 *   methods.c  requests
 */
#ifndef PS_ANALYZER_H
#define PS_ANALYZER_H

#include "analyzer/drops.h"
#include "analyzer/ifaces.h"
#include "analyzer/probe.h"
#include "analyzer/table.h"
#include "common/bpf.h"
#include "common/net.h"
#include "common/service.h"

#define PS_ANALYZER_NETNS_MAX 4096

struct ps_analyzer_config {
    uint64_t flows_max;
    uint64_t flow_drops_max;
    uint64_t interfaces_max;
    uint64_t flow_timeout;
    uint64_t drop_alert;
};

struct ps_analyzer {
    struct ps_daemon *daemon;
    struct ps_analyzer_config config;
    struct ps_probe *probe; /* NULL: this kernel let nothing be loaded */
    char unavailable[160];  /* then: why */

    /* The last reading. */
    struct ps_table *table;
    struct ps_ifaces ifaces;
    struct ps_drop_rows drops;
    uint64_t read_ns;     /* monotonic */
    uint64_t wall_offset; /* add it to a monotonic time */
    size_t flows_in_map;
    size_t drops_in_map;

    /* What was removed since start. */
    struct ps_counters evicted_rx, evicted_tx;
    uint64_t evicted_flows;
    struct ps_drop_rows past_drops;

    uint64_t asked_ns;  /* last request */
    uint64_t reaped_ns; /* last removal */
    uint64_t warned_ns; /* last event of a full map */
    uint64_t warned_count;
    uint64_t judged_ns; /* rates that alerts were made of */
    uint64_t alerts, alerts_left_out;

    struct ps_iface_value *cpu_values; /* scratch, one for each CPU */
    struct ps_ksyms *syms;             /* NULL: no names */
    struct ps_drop_reasons *reasons;   /* NULL: no names */
    struct ps_netns *netns;
    size_t n_netns;
    uint64_t netns_ns; /* when the names were read */
};

/* ---- collect.c ---- */

/* Reads all maps now. */
int ps_analyzer_read(struct ps_analyzer *a);
/* Called each second: reads when it is time, and removes what is idle. */
void ps_analyzer_tick(struct ps_analyzer *a);
/* Names of the namespaces, read again when older than five seconds. */
void ps_analyzer_read_netns(struct ps_analyzer *a);
/* Borrowed; NULL: none, or the namespace is gone. */
const char *ps_analyzer_netns_name(const struct ps_analyzer *a, uint32_t netns,
                                   uint32_t netns_gen);

/* ---- alerts.c ---- */

/* An event for each flow of which more is dropped than the option drop-alert
 * allows; once for each reading's rates. */
void ps_analyzer_alert(struct ps_analyzer *a);

/* ---- report.c ---- */

void ps_analyzer_report(struct ps_analyzer *a);

/* ---- methods.c ---- */

extern const struct ps_method ps_analyzer_methods[];

/* ---- service.c ---- */

extern const struct ps_service ps_analyzer_service;

#endif
