/* SPDX-License-Identifier: MIT */
#include "gateway/sse.h"

#include <sys/queue.h>

#include "common/json.h"
#include "common/options.h"
#include "gateway/batch.h"
#include "gateway/limits.h"
#include "gateway/problem.h"
#include "gateway/ring.h"
#include "gateway/topics.h"

#define BEAT_S     10
#define PUMP_BYTES (64u << 10)
/* After one flush the next is so much later: of many events at once, each
 * stream gets some with one write, which costs as much as one event. */
#define FLUSH_NS (50 * PS_NS_PER_MS)

struct stream {
    TAILQ_ENTRY(stream) link;
    struct ps_sse *sse;
    struct ps_http_request *req;
    uint32_t topics;
    uint64_t cursor; /* the next event to give */
    bool live;       /* has all that is in the ring */
};
TAILQ_HEAD(stream_list, stream);

struct ps_sse {
    struct ps_sse_config config;
    struct ps_ring *ring;
    struct event *beat, *flush;
    bool pending; /* events that live streams do not have yet */
    uint64_t flushed_ns;
    struct stream_list streams;
    struct ps_sse_stats stats;
};

/* ---- one stream --------------------------------------------------------- */

static void stream_free(struct stream *s)
{
    TAILQ_REMOVE(&s->sse->streams, s, link);
    s->sse->stats.clients--;
    free(s);
}

static void on_close(void *arg)
{
    stream_free(arg);
}

static void cut(struct stream *s)
{
    ps_http_stream_end(s->req);
    s->sse->stats.cut++;
    stream_free(s);
}

static void release_event(const void *data _unused_, size_t len _unused_,
                          void *arg)
{
    ps_ring_unref(arg);
}

static void release_text(const void *data _unused_, size_t len _unused_,
                         void *arg)
{
    free(arg);
}

static int add_event(struct stream *s, struct ps_ring_event *event)
{
    ps_ring_ref(event);
    return ps_http_stream_add(s->req, event->text, event->len, release_event,
                              event);
}

static int add_text(struct stream *s, char *text)
{
    return ps_http_stream_add(s->req, text, strlen(text), release_text, text);
}

/* Says what was missed; an id is not given, a stream's place stays. */
static int add_lost(struct stream *s, uint64_t count, bool exact,
                    const char *reason)
{
    Ps__Lost lost = PS__LOST__INIT;
    _cleanup_free_ char *data = NULL;
    char *text;

    lost.has_count = count > 0 || exact;
    lost.count = count;
    lost.has_at_least = !exact && lost.has_count;
    lost.at_least = lost.has_at_least;
    lost.reason = (char *)(uintptr_t)reason;
    s->sse->stats.lost += count;
    if (ps_json_print(&lost.base, &data, NULL) < 0 ||
        asprintf(&text, "event: lost\ndata: %s\n\n", data) < 0)
        return -ENOMEM;
    return add_text(s, text);
}

/* What the ring dropped before this stream came to it. */
static int tell_lost(struct stream *s)
{
    const struct ps_ring *ring = s->sse->ring;
    uint64_t count;
    bool exact;

    if (s->cursor >= ps_ring_first(ring))
        return 0;
    count = ps_ring_lost(ring, s->cursor, s->topics, &exact);
    s->cursor = ps_ring_first(ring);
    return count > 0 || !exact ? add_lost(s, count, exact, "too_old") : 0;
}

/* Replays in portions; the rest follows when these have gone out. */
static int pump(struct stream *s)
{
    struct ps_ring *ring = s->sse->ring;
    int r = tell_lost(s);

    while (r == 0 && s->cursor < ps_ring_next(ring)) {
        struct ps_ring_event *event = ps_ring_get(ring, s->cursor);

        if (ps_http_stream_pending(s->req) >= PUMP_BYTES)
            return 0;
        if (s->topics >> event->topic & 1)
            r = add_event(s, event);
        s->cursor++;
    }
    s->live = s->cursor == ps_ring_next(ring);
    return r;
}

static void on_drain(void *arg)
{
    struct stream *s = arg;

    if (!s->live && pump(s) < 0)
        cut(s);
}

static const struct ps_http_stream_ops stream_ops = {
    .on_close = on_close,
    .on_drain = on_drain,
};

/* ---- opening ------------------------------------------------------------ */

/* Ordinary requests must get through when the streams are at their bound. */
static bool check_room(const struct ps_sse *sse, struct ps_http_request *req)
{
    static const struct ps_http_field retry[] = {{"Retry-After", "10"},
                                                 {NULL, NULL}};
    const struct ps_problem problem = {
        .id = "stream.too_many",
        .status = 503,
        .detail = "As many event streams are open as max-streams allows; "
                  "close some, or ask again later."};

    if (sse->stats.clients < sse->config.max_streams)
        return true;
    ps_problem_reply(req, &problem, retry);
    return false;
}

/* Where the stream goes on. ret_lost: it cannot be known what was missed. */
static int find_cursor(const struct ps_sse *sse,
                       const struct ps_http_request *req, uint64_t *ret_cursor,
                       bool *ret_lost)
{
    const char *text = ps_head_find(&req->head, "last-event-id");
    uint64_t id;

    *ret_lost = false;
    *ret_cursor = ps_ring_next(sse->ring);
    if (!text || !*text)
        return 0;
    if (ps_parse_uint(text, 0, INT64_MAX, &id) < 0)
        return -EINVAL;
    /* The last event of an earlier life, or one that never was. */
    *ret_lost = id + 1 < ps_ring_base(sse->ring) ||
                id >= ps_ring_next(sse->ring);
    *ret_cursor = *ret_lost ? ps_ring_base(sse->ring) : id + 1;
    return 0;
}

static int begin(struct stream *s, bool restart)
{
    char *hello = strdup("retry: 1000\n\n");
    int r = hello ? add_text(s, hello) : -ENOMEM;

    if (r == 0 && restart)
        r = add_lost(s, 0, false, "restart");
    return r < 0 ? r : pump(s);
}

void ps_sse_open(struct ps_sse *sse, struct ps_http_request *req,
                 const Ps__EventsRequest *ask)
{
    static const struct ps_http_field fields[] = {
        {"Content-Type", "text/event-stream"},
        {"X-Accel-Buffering", "no"},
        {NULL, NULL}};
    struct stream *s;
    uint32_t topics = 0;
    uint64_t cursor = 0;
    bool restart = false;

    if (!ps_topics_ask(req, ask, &topics))
        return;
    if (find_cursor(sse, req, &cursor, &restart) < 0) {
        ps_problem_fail(req, 400, "request.invalid", "Last-Event-ID",
                        "Last-Event-ID must be the id of an event, a number.");
        return;
    }
    if (req->head.method == PS_HTTP_HEAD) {
        ps_http_reply(req, 200, fields, NULL);
        return;
    }
    if (!check_room(sse, req))
        return;
    s = calloc(1, sizeof(*s));
    if (!s) {
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for one more stream.");
        return;
    }
    *s = (struct stream){
        .sse = sse, .req = req, .topics = topics, .cursor = cursor};
    TAILQ_INSERT_TAIL(&sse->streams, s, link);
    sse->stats.clients++;
    if (ps_http_stream(req, fields, &stream_ops, s) < 0)
        stream_free(s);
    else if (begin(s, restart) < 0)
        cut(s);
}

/* ---- all streams -------------------------------------------------------- */

static void release_batch(const void *data _unused_, size_t len _unused_,
                          void *arg)
{
    ps_batch_unref(arg);
}

/* All that is new to a live stream; one that does not take it is cut off. */
static int catch_up(struct stream *s, struct ps_batches *batches)
{
    int r = tell_lost(s);

    while (r == 0 && s->cursor < ps_ring_next(s->sse->ring)) {
        struct ps_batch *batch =
            ps_batch_get(batches, s->sse->ring, s->cursor, s->topics);

        if (!batch)
            return -ENOMEM;
        s->cursor = batch->next;
        if (batch->len > 0)
            r = ps_http_stream_add(s->req, batch->text, batch->len,
                                   release_batch, ps_batch_ref(batch));
    }
    return r;
}

static void on_flush(evutil_socket_t fd _unused_, short what _unused_,
                     void *arg)
{
    struct ps_sse *sse = arg;
    struct ps_batches batches = {0};
    struct stream *s, *next;

    sse->pending = false;
    sse->flushed_ns = ps_mono_ns();
    for (s = TAILQ_FIRST(&sse->streams); s; s = next) {
        next = TAILQ_NEXT(s, link);
        if (s->live && catch_up(s, &batches) < 0)
            cut(s);
    }
    ps_batches_clear(&batches);
}

static void plan_flush(struct ps_sse *sse)
{
    uint64_t age = ps_mono_ns() - sse->flushed_ns;
    uint64_t wait = age < FLUSH_NS ? FLUSH_NS - age : 0;
    const struct timeval tv = {.tv_usec = (suseconds_t)(wait / 1000)};

    if (sse->pending)
        return;
    sse->pending = true;
    evtimer_add(sse->flush, &tv);
}

/* What nobody follows would only push the rest out of the history. */
static bool is_followed(const struct ps_sse *sse, int topic)
{
    const struct stream *s;

    if (!ps_topics_named(topic))
        return true;
    TAILQ_FOREACH(s, &sse->streams, link)
    {
        if (s->topics >> topic & 1)
            return true;
    }
    return false;
}

void ps_sse_publish(struct ps_sse *sse, const char *topic,
                    const ProtobufCMessage *msg)
{
    _cleanup_free_ char *data = NULL;
    struct ps_ring_event *event;
    int number = ps_topics_find(topic);

    if (number < 0 || !is_followed(sse, number) ||
        ps_json_print(msg, &data, NULL) < 0)
        return;
    event = ps_ring_add(sse->ring, ps_mono_ns(), (uint32_t)number, topic, data);
    if (!event)
        return;
    sse->stats.published++;
    plan_flush(sse);
}

/* Tells the client, and what lies between, that the stream lives. */
static void on_beat(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    static const char text[] = ": \n\n";
    struct ps_sse *sse = arg;
    struct stream *s, *next;

    for (s = TAILQ_FIRST(&sse->streams); s; s = next) {
        next = TAILQ_NEXT(s, link);
        if (ps_http_stream_pending(s->req) == 0 &&
            ps_http_stream_add(s->req, text, sizeof(text) - 1, NULL, NULL) < 0)
            cut(s);
    }
}

int ps_sse_new(struct event_base *base, const struct ps_sse_config *config,
               struct ps_sse **ret_sse)
{
    _cleanup_(ps_sse_free) struct ps_sse *sse = calloc(1, sizeof(*sse));
    const struct timeval beat = {.tv_sec = BEAT_S};
    int r;

    if (!sse)
        return -ENOMEM;
    TAILQ_INIT(&sse->streams);
    sse->config = *config;
    /* Microseconds: numbers of one life are above those of the last, and
     * below 2^53. */
    r = ps_ring_new(ps_now_ns() / 1000, config->history_bytes, config->keep_ns,
                    &sse->ring);
    if (r < 0)
        return r;
    sse->beat = event_new(base, -1, EV_PERSIST, on_beat, sse);
    sse->flush = evtimer_new(base, on_flush, sse);
    if (!sse->beat || !sse->flush || event_add(sse->beat, &beat) < 0)
        return -ENOMEM;
    *ret_sse = TAKE_PTR(sse);
    return 0;
}

size_t ps_sse_streams_of(const struct ps_sse *sse, const struct ps_addr *addr)
{
    const struct stream *s;
    size_t n = 0;

    TAILQ_FOREACH(s, &sse->streams, link)
    {
        n += ps_limits_same(&s->req->addr, addr);
    }
    return n;
}

void ps_sse_recheck(struct ps_sse *sse,
                    bool (*holds)(void *arg, const struct ps_identity *who),
                    void *arg)
{
    struct stream *s, *next;

    for (s = TAILQ_FIRST(&sse->streams); s; s = next) {
        next = TAILQ_NEXT(s, link);
        if (holds(arg, &s->req->identity))
            continue;
        ps_http_stream_end(s->req);
        stream_free(s);
    }
}

void ps_sse_drain(struct ps_sse *sse)
{
    struct stream *s;

    while ((s = TAILQ_FIRST(&sse->streams))) {
        ps_http_stream_end(s->req);
        stream_free(s);
    }
}

void ps_sse_free(struct ps_sse **sse)
{
    if (!*sse)
        return;
    ps_sse_drain(*sse);
    ps_ring_free(&(*sse)->ring);
    if ((*sse)->beat)
        event_free((*sse)->beat);
    if ((*sse)->flush)
        event_free((*sse)->flush);
    free(*sse);
    *sse = NULL;
}

const struct ps_sse_stats *ps_sse_stats(const struct ps_sse *sse)
{
    return &sse->stats;
}
