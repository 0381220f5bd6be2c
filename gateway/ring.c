/* SPDX-License-Identifier: MIT */
#include "gateway/ring.h"

#define BLOCK    1024
#define N_BLOCKS (PS_RING_HISTORY / BLOCK + 1)

/* How many events of each topic there were before some number. */
struct counts {
    uint64_t of[PS_RING_TOPICS];
};

struct ps_ring {
    uint64_t base, first, next, keep_ns;
    size_t bytes, max_bytes;
    struct ps_ring_event *events[PS_RING_EVENTS]; /* by seq modulo size */
    uint8_t topics[PS_RING_HISTORY];
    struct counts now, blocks[N_BLOCKS]; /* by seq / BLOCK modulo size */
};

int ps_ring_new(uint64_t base, size_t max_bytes, uint64_t keep_ns,
                struct ps_ring **ret_ring)
{
    struct ps_ring *ring = calloc(1, sizeof(*ring));

    if (!ring)
        return -ENOMEM;
    ring->base = ring->first = ring->next = base;
    ring->max_bytes = max_bytes;
    ring->keep_ns = keep_ns;
    *ret_ring = ring;
    return 0;
}

static struct ps_ring_event **place(const struct ps_ring *ring, uint64_t seq)
{
    return (struct ps_ring_event **)(uintptr_t)&ring
        ->events[seq % PS_RING_EVENTS];
}

static void drop_oldest(struct ps_ring *ring)
{
    struct ps_ring_event **oldest = place(ring, ring->first++);

    ring->bytes -= (*oldest)->len;
    ps_ring_unref(*oldest);
    *oldest = NULL;
}

void ps_ring_free(struct ps_ring **ring)
{
    if (!*ring)
        return;
    while ((*ring)->first < (*ring)->next)
        drop_oldest(*ring);
    free(*ring);
    *ring = NULL;
}

/* Whether the oldest must leave for len bytes more. */
static bool too_full(const struct ps_ring *ring, uint64_t now_ns, size_t len)
{
    size_t bytes = ring->bytes + len;
    bool old;

    if (ring->first == ring->next)
        return false;
    old = now_ns - (*place(ring, ring->first))->time_ns > ring->keep_ns;
    return bytes > ring->max_bytes ||
           ring->next - ring->first == PS_RING_EVENTS ||
           (old && bytes > ring->max_bytes / 4);
}

static void remember(struct ps_ring *ring, uint32_t topic)
{
    if (ring->next % BLOCK == 0)
        ring->blocks[ring->next / BLOCK % N_BLOCKS] = ring->now;
    ring->topics[ring->next % PS_RING_HISTORY] = (uint8_t)topic;
    ring->now.of[topic]++;
}

struct ps_ring_event *ps_ring_add(struct ps_ring *ring, uint64_t now_ns,
                                  uint32_t topic, const char *name,
                                  const char *data)
{
    static const char format[] = "id: %llu\nevent: %s\ndata: %s\n\n";
    /* 20 digits are the most that the number takes. */
    size_t size = sizeof(format) + 20 + strlen(name) + strlen(data);
    struct ps_ring_event *event = malloc(sizeof(*event) + size);

    if (!event)
        return NULL;
    *event = (struct ps_ring_event){
        .refs = 1, .topic = topic, .seq = ring->next, .time_ns = now_ns};
    event->len = (size_t)snprintf(event->text, size, format,
                                  (unsigned long long)event->seq, name, data);
    while (too_full(ring, now_ns, event->len))
        drop_oldest(ring);
    *place(ring, ring->next) = event;
    remember(ring, topic);
    ring->bytes += event->len;
    ring->next++;
    return event;
}

struct ps_ring_event *ps_ring_ref(struct ps_ring_event *event)
{
    event->refs++;
    return event;
}

void ps_ring_unref(struct ps_ring_event *event)
{
    if (--event->refs == 0)
        free(event);
}

uint64_t ps_ring_first(const struct ps_ring *ring)
{
    return ring->first;
}

uint64_t ps_ring_next(const struct ps_ring *ring)
{
    return ring->next;
}

uint64_t ps_ring_base(const struct ps_ring *ring)
{
    return ring->base;
}

struct ps_ring_event *ps_ring_get(const struct ps_ring *ring, uint64_t seq)
{
    if (seq < ring->first || seq >= ring->next)
        return NULL;
    return *place(ring, seq);
}

/* Events of these topics from the start of seq's block, or of all, to seq. */
static uint64_t count_in_block(const struct ps_ring *ring, uint64_t seq,
                               uint32_t topics)
{
    uint64_t from = seq / BLOCK * BLOCK, n = 0;

    if (from < ring->base)
        from = ring->base;
    for (; from < seq; from++)
        n += topics >> ring->topics[from % PS_RING_HISTORY] & 1;
    return n;
}

/* Events of these topics before seq, whose block must be remembered. */
static uint64_t count_before(const struct ps_ring *ring, uint64_t seq,
                             uint32_t topics)
{
    const struct counts *block = &ring->blocks[seq / BLOCK % N_BLOCKS];
    uint64_t n = count_in_block(ring, seq, topics);

    /* The first block began with the ring: nothing was before it. */
    if (seq / BLOCK * BLOCK < ring->base)
        return n;
    for (uint32_t i = 0; i < PS_RING_TOPICS; i++)
        if (topics >> i & 1)
            n += block->of[i];
    return n;
}

uint64_t ps_ring_lost(const struct ps_ring *ring, uint64_t from,
                      uint32_t topics, bool *ret_exact)
{
    uint64_t known = ring->base;

    /* Of a block that is half overwritten, nothing is known. */
    if (ring->next - ring->base > PS_RING_HISTORY)
        known = (ring->next - PS_RING_HISTORY + BLOCK - 1) / BLOCK * BLOCK;
    *ret_exact = from >= known;
    if (from < known)
        from = known;
    if (from >= ring->first)
        return 0;
    return count_before(ring, ring->first, topics) -
           count_before(ring, from, topics);
}
