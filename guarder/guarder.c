/* SPDX-License-Identifier: MIT */
/* The daemon's life: take over, restore, enforce, save. */
#include "guarder/guarder.h"

#include "guarder/compile.h"
#include "guarder/convert.h"
#include "guarder/report.h"
#include "guarder/rule_store.h"

const struct ps_option ps_guarder_options[] = {
    {.name = "interfaces",
     .type = PS_OPT_LIST,
     .offset = offsetof(struct ps_guarder_config, interfaces),
     .def = "auto",
     .max = 64,
     .arg = "LIST",
     .help = "where to enforce; auto: each Ethernet interface that is up"},
    {.name = "checkpoint",
     .type = PS_OPT_DURATION,
     .offset = offsetof(struct ps_guarder_config, checkpoint_ns),
     .def = "5s",
     .min = PS_NS_PER_S / 10,
     .max = 3600 * PS_NS_PER_S,
     .arg = "TIME",
     .help = "how often hit counters are saved"},
    {.name = "flush",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct ps_guarder_config, flush),
     .help = "take the enforcement of --run-dir off, and leave"},
    {0},
};

/* ---- applying ----------------------------------------------------------- */

static uint32_t ifindex_of(void *arg, const char *name)
{
    const struct ps_netif *netif = ps_links_by_name(arg, name);

    return netif ? netif->ifindex : 0;
}

int ps_guarder_read_hits(struct ps_guarder *g)
{
    if (!g->kernel)
        return -EOPNOTSUPP;
    return ps_kernel_hits(g->kernel, g->hits);
}

/*
 * The set before the attachments: what is attached finds the rules in place.
 * An interface that no enabled rule is for costs nothing.
 */
int ps_guarder_apply(struct ps_guarder *g)
{
    size_t used;
    int r;

    if (!g->kernel)
        return -EOPNOTSUPP;
    memset(g->compiled, 0, sizeof(*g->compiled));
    r = ps_compile_rules(g->set->rules, g->set->n, ifindex_of, g->links,
                         g->compiled, &used);
    if (r == 0)
        r = ps_kernel_swap(g->kernel, g->compiled);
    if (r < 0) {
        g->apply_failures++;
        return r;
    }
    ps_attach_reconcile(g->attachments, g->links, &g->config->interfaces,
                        g->set);
    return 0;
}

/* What the kernel counted goes to the store with the change itself. */
static void note_totals(struct ps_guarder *g, struct ps_ruleset *set)
{
    for (size_t i = 0; i < set->n; i++)
        set->rules[i].saved = ps_rule_total(&set->rules[i], g->hits);
}

int ps_guarder_change(struct ps_guarder *g, struct ps_ruleset **candidate)
{
    _cleanup_(ps_ruleset_free) struct ps_ruleset *old = NULL;
    struct ps_ruleset *set = *candidate;
    int r;

    r = ps_guarder_read_hits(g);
    if (r < 0)
        return r;
    ps_ruleset_assign(set, g->set, g->hits, ps_now_ns());
    set->generation = g->set->generation + 1;
    note_totals(g, set);
    r = ps_rule_store_save(g->store, set);
    if (r < 0)
        return r;
    old = g->set;
    g->set = TAKE_PTR(*candidate);
    r = ps_guarder_apply(g);
    if (g->watch)
        ps_watch_drain(g->watch, g->set, old);
    ps_guarder_publish(g);
    return r < 0 ? -EREMOTEIO : 0;
}

/* ---- counters to the store ---------------------------------------------- */

static int checkpoint(struct ps_guarder *g)
{
    _cleanup_free_ struct ps_rule_hits *totals =
        calloc(g->set->n + 1, sizeof(*totals));
    int r;

    if (!totals)
        return -ENOMEM;
    r = ps_guarder_read_hits(g);
    if (r < 0)
        return r;
    for (size_t i = 0; i < g->set->n; i++)
        totals[i] = ps_rule_total(&g->set->rules[i], g->hits);
    return ps_rule_store_checkpoint(g->store, g->set, totals);
}

static void maybe_checkpoint(struct ps_guarder *g)
{
    uint64_t now = ps_mono_ns();
    int r;

    if (!g->kernel || now - g->last_checkpoint_ns < g->config->checkpoint_ns)
        return;
    g->last_checkpoint_ns = now;
    r = checkpoint(g);
    if (r < 0) {
        g->checkpoint_failures++;
        ps_warning("counters_not_saved", "error=" PS_Q, strerror(-r));
    }
}

/* ---- interfaces --------------------------------------------------------- */

static void reconcile(struct ps_guarder *g)
{
    size_t before;
    int r;

    if (!g->kernel)
        return;
    before = ps_attach_count(g->attachments);
    r = ps_links_read(g->links);
    if (r == 0)
        r = ps_guarder_apply(g);
    if (r < 0)
        ps_warning("reconcile_failed", "error=" PS_Q, strerror(-r));
    if (before != ps_attach_count(g->attachments))
        ps_guarder_publish(g);
}

static void on_settled(evutil_socket_t fd _unused_, short what _unused_,
                       void *arg)
{
    reconcile(arg);
}

/* The kernel tells of one interface many times: wait for the last. */
static void on_links(evutil_socket_t fd, short what _unused_, void *arg)
{
    const struct timeval soon = {.tv_usec = 20000};
    struct ps_guarder *g = arg;

    ps_links_drain(fd);
    if (!event_pending(g->settle, EV_TIMEOUT, NULL))
        event_add(g->settle, &soon);
}

static int watch_links(struct ps_guarder *g)
{
    const struct timeval ten = {.tv_sec = 10};
    struct event_base *base = ps_daemon_base(g->daemon);

    g->links_changed =
        event_new(base, g->watch_fd, EV_READ | EV_PERSIST, on_links, g);
    g->settle = event_new(base, -1, 0, on_settled, g);
    /* Another's program may go without a word. */
    g->retry = event_new(base, -1, EV_PERSIST, on_settled, g);
    if (!g->links_changed || !g->settle || !g->retry ||
        event_add(g->links_changed, NULL) < 0 || event_add(g->retry, &ten) < 0)
        return -ENOMEM;
    return 0;
}

/* ---- open --------------------------------------------------------------- */

static int open_store(struct ps_guarder *g)
{
    _cleanup_free_ char *error = NULL;
    int r;

    r = ps_rule_store_open(ps_daemon_state_dir(g->daemon), &g->store, &error);
    if (r == 0)
        r = ps_rule_store_load(g->store, &g->set, &error);
    if (r < 0)
        ps_error("store_failed", "error=" PS_Q, error ? error : strerror(-r));
    return r;
}

static int open_kernel(struct ps_guarder *g)
{
    int r;

    ps_pins_open(ps_daemon_run_dir(g->daemon), ps_daemon_state_dir(g->daemon),
                 &g->pins);
    r = ps_kernel_open(&g->pins, g->set->epoch, &g->kernel, g->no_kernel,
                       sizeof(g->no_kernel));
    if (r < 0)
        return 0; /* a capability that is missing, not an error */
    r = ps_attachments_new(g->kernel, &g->pins, ps_guarder_on_attach, g,
                           &g->attachments);
    if (r == 0)
        r = ps_watch_new(g->kernel, &g->watch);
    if (r < 0)
        return r;
    return ps_links_watch(&g->watch_fd);
}

int ps_guarder_open(struct ps_daemon *d, void *config, void **ret_state)
{
    struct ps_guarder *g = calloc(1, sizeof(*g));
    int r;

    if (!g)
        return -ENOMEM;
    *ret_state = g; /* close() frees what is there, whatever happens below */
    g->daemon = d;
    g->config = config;
    g->pins.dir_fd = g->watch_fd = -1;
    g->compiled = calloc(1, sizeof(*g->compiled));
    g->hits = calloc(PS_GD_SLOTS, sizeof(*g->hits));
    r = g->compiled && g->hits ? ps_links_new(&g->links) : -ENOMEM;
    if (r == 0)
        r = open_store(g);
    if (r == 0)
        r = open_kernel(g);
    if (r == 0)
        ps_guarder_report_capabilities(g);
    return r;
}

/* ---- start -------------------------------------------------------------- */

/* New maps: totals go on from what the store has, and it knows of the new
 * life of the counters before a packet is counted in it. */
static int begin_epoch(struct ps_guarder *g)
{
    if (ps_kernel_taken_over(g->kernel))
        return 0;
    ps_ruleset_rebase(g->set, ps_kernel_epoch(g->kernel));
    return ps_rule_store_save(g->store, g->set);
}

static int enforce(struct ps_guarder *g)
{
    int r;

    r = ps_links_read(g->links);
    if (r == 0)
        r = begin_epoch(g);
    if (r < 0)
        return r;
    /* The maps before the links: links alone could not be taken over. */
    g->pin_error = ps_kernel_pin(g->kernel, &g->pins);
    ps_attach_take_over(g->attachments, g->links);
    return ps_guarder_apply(g);
}

int ps_guarder_start(struct ps_daemon *d _unused_, void *state)
{
    struct ps_guarder *g = state;
    int r;

    g->last_checkpoint_ns = ps_mono_ns();
    if (!g->kernel)
        return 0;
    r = enforce(g);
    if (r == 0)
        r = watch_links(g);
    if (r < 0) {
        ps_error("enforce_failed", "error=" PS_Q, strerror(-r));
        return r;
    }
    ps_guarder_report_start(g);
    ps_guarder_publish(g);
    return 0;
}

/* ---- the rest ----------------------------------------------------------- */

void ps_guarder_sample(struct ps_daemon *d _unused_, void *state)
{
    maybe_checkpoint(state);
    ps_guarder_report_sample(state);
}

void ps_guarder_stop(struct ps_daemon *d _unused_, void *state)
{
    struct ps_guarder *g = state;
    int r;

    if (!g->kernel)
        return;
    r = checkpoint(g);
    if (r < 0)
        ps_warning("counters_not_saved", "error=" PS_Q, strerror(-r));
}

void ps_guarder_close(struct ps_daemon *d _unused_, void *state)
{
    struct ps_guarder *g = state;

    if (g->links_changed)
        event_free(g->links_changed);
    if (g->settle)
        event_free(g->settle);
    if (g->retry)
        event_free(g->retry);
    if (g->watch_fd >= 0)
        close(g->watch_fd);
    ps_attachments_free(&g->attachments);
    ps_watch_free(&g->watch);
    ps_kernel_free(&g->kernel);
    ps_links_free(&g->links);
    ps_ruleset_free(&g->set);
    ps_store_free(&g->store);
    ps_pins_close(&g->pins);
    free(g->compiled);
    free(g->hits);
    free(g);
}
