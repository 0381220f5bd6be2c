/* SPDX-License-Identifier: MIT */
#include "gateway/ring.h"

struct ps_ring {
    uint64_t base, first, next;
    size_t bytes, max_bytes;
    struct ps_ring_event *events[PS_RING_EVENTS]; /* by seq modulo size */
    uint8_t topics[PS_RING_HISTORY];
};

int ps_ring_new(uint64_t base, size_t max_bytes, struct ps_ring **ret_ring)
{
    struct ps_ring *ring = calloc(1, sizeof(*ring));

    if (!ring)
        return -ENOMEM;
    ring->base = ring->first = ring->next = base;
    ring->max_bytes = max_bytes;
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

struct ps_ring_event *ps_ring_add(struct ps_ring *ring, uint32_t topic,
                                  const char *name, const char *data)
{
    static const char format[] = "id: %llu\nevent: %s\ndata: %s\n\n";
    /* 20 digits are the most that the number takes. */
    size_t size = sizeof(format) + 20 + strlen(name) + strlen(data);
    struct ps_ring_event *event = malloc(sizeof(*event) + size);

    if (!event)
        return NULL;
    *event =
        (struct ps_ring_event){.refs = 1, .topic = topic, .seq = ring->next};
    event->len = (size_t)snprintf(event->text, size, format,
                                  (unsigned long long)event->seq, name, data);
    while (ring->first < ring->next &&
           (ring->bytes + event->len > ring->max_bytes ||
            ring->next - ring->first == PS_RING_EVENTS))
        drop_oldest(ring);
    *place(ring, ring->next) = event;
    ring->topics[ring->next % PS_RING_HISTORY] = (uint8_t)topic;
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

uint64_t ps_ring_lost(const struct ps_ring *ring, uint64_t from,
                      uint32_t topics, bool *ret_exact)
{
    uint64_t known = ring->base, lost = 0;

    if (ring->next - ring->base > PS_RING_HISTORY)
        known = ring->next - PS_RING_HISTORY;
    *ret_exact = from >= known;
    for (uint64_t seq = from > known ? from : known; seq < ring->first; seq++)
        lost += topics >> ring->topics[seq % PS_RING_HISTORY] & 1;
    return lost;
}
