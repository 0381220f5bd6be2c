/* SPDX-License-Identifier: MIT */
/*
 * What of another daemon's alerts starts a trace: option "on-alert". Plain
 * logic.
 */
#ifndef PS_TRACER_ONCALL_H
#define PS_TRACER_ONCALL_H

#include "common/options.h"
#include "common/types.h"
#include "common/util.h"

#define PS_ONCALL_MAX_RULES 16u
/* The same alert of the same tuple starts nothing for so long. */
#define PS_ONCALL_QUIET_NS (60 * PS_NS_PER_S)
/* Traces of alerts that run at a time; the other slots are the users'. */
#define PS_ONCALL_MAX_TRACES 2u
/* Of an alert's id. */
#define PS_ONCALL_ALERT 64u

struct ps_oncall_rule {
    char kind[64]; /* the event's id: "analyzer.drop_spike" */
    uint32_t packets;
    uint64_t duration_ns;
    bool stacks;
};

/*
 * "KIND[:packets=N][:duration=TIME][:stacks]". -EINVAL: ret_error (of size
 * bytes) says why.
 */
int ps_oncall_parse(const char *text, struct ps_oncall_rule *ret_rule,
                    char *error, size_t size);

struct ps_oncall;

int ps_oncall_new(const struct ps_strlist *texts, struct ps_oncall **ret_oncall,
                  char *error, size_t size);
void ps_oncall_free(struct ps_oncall **oncall);
/* Whether there is anything to listen for. */
bool ps_oncall_wants(const struct ps_oncall *oncall);

/* What an event asks for. */
enum ps_oncall_answer {
    PS_ONCALL_NOTHING, /* it is no alert of a rule */
    PS_ONCALL_TRACE,
    PS_ONCALL_QUIET,    /* the same was traced a moment ago */
    PS_ONCALL_NO_TUPLE, /* it names nothing that could be followed */
};

/*
 * With PS_ONCALL_TRACE a request (freed by the caller) and the alert's id: its
 * parameter "alert", else made of its kind and time.
 */
enum ps_oncall_answer ps_oncall_take(struct ps_oncall *oncall,
                                     const Ps__Event *event,
                                     uint64_t now_mono_ns,
                                     Ps__CreateTraceRequest **ret_request,
                                     char alert[PS_ONCALL_ALERT + 1]);

#endif
