/* SPDX-License-Identifier: MIT */
#include "tracer/way_text.h"

#include <inttypes.h>

/* A step takes no more, nor do the lines behind the last one. */
#define LINE 1024u

static void put_drop(FILE *out, const Ps__Drop *drop)
{
    fputs("dropped: ", out);
    if (drop->reason)
        fputs(drop->reason, out);
    else if (drop->has_reason_code)
        fprintf(out, "reason %" PRIu32, drop->reason_code);
    else
        fputs("this kernel gives no reason", out);
    if (drop->subsystem && strcmp(drop->subsystem, "core") != 0)
        fprintf(out, " (%s)", drop->subsystem);
    if (drop->function)
        fprintf(out, " in %s+%#" PRIx32, drop->function, drop->offset);
    fputc('\n', out);
    if (drop->rule)
        fprintf(out, "by the %s rule %s%s%s\n", drop->rule->kind,
                drop->rule->id, drop->rule->text ? ": " : "",
                drop->rule->text ? drop->rule->text : "");
    if (drop->advice)
        fprintf(out, "%s\n", drop->advice);
}

static void put_fate(FILE *out, const Ps__PacketWay *way)
{
    bool dropped = false;

    for (size_t i = 0; i < way->n_steps; i++) {
        if (!way->steps[i]->drop)
            continue;
        put_drop(out, way->steps[i]->drop);
        dropped = true;
    }
    if (!dropped || !ps_streq(way->fate, "dropped"))
        fprintf(out, "%s\n",
                way->fate ? way->fate : "what became of it is not known");
}

static void put_owner(FILE *out, const char *what, const Ps__Owner *owner)
{
    if (!owner)
        return;
    fprintf(out, "%s: %s (%" PRIu32 ")%s%s\n", what,
            owner->comm ? owner->comm : "process", owner->pid,
            owner->container ? " in container " : "",
            owner->container ? owner->container : "");
}

static void put_step(FILE *out, const Ps__PacketWay *way, const Ps__Step *step)
{
    fprintf(out, "%+" PRId64 " ns ",
            (int64_t)(step->time->unix_ns - way->first->unix_ns));
    for (uint32_t i = 0; i < step->depth && i < 32; i++)
        fputs("  ", out);
    fprintf(out, "%s %s", step->layer, step->station);
    if (step->direction)
        fprintf(out, " %s", step->direction);
    if (step->ifname)
        fprintf(out, " %s", step->ifname);
    if (step->has_netns)
        fprintf(out, " netns %" PRIu32, step->netns);
    if (step->has_len)
        fprintf(out, " len %" PRIu32, step->len);
    if (step->has_duration_ns)
        fprintf(out, " took %" PRIu64 " ns", step->duration_ns);
    if (step->from_stack)
        fputs(" (called what follows)", out);
    fputs(step->inferred ? " (inferred)\n" : "\n", out);
}

void ps_way_text(FILE *out, const Ps__PacketWay *way, size_t max)
{
    size_t i;

    put_fate(out, way);
    if (way->partial)
        fputs("stations are missing: the trace waited when it came\n", out);
    put_owner(out, "sender", way->sender);
    put_owner(out, "receiver", way->receiver);
    for (i = 0; i < way->n_steps; i++) {
        long at = ftell(out);

        if (at < 0 || (size_t)at + LINE > max)
            break;
        put_step(out, way, way->steps[i]);
    }
    if (i < way->n_steps)
        fprintf(out, "\u2026 %zu more steps have no room here\n",
                way->n_steps - i);
    if (way->cut)
        fprintf(out, "%" PRIu32 " steps before the last were not kept\n",
                way->cut);
}
