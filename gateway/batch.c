/* SPDX-License-Identifier: MIT */
#include "gateway/batch.h"

struct ps_batch *ps_batch_ref(struct ps_batch *batch)
{
    batch->refs++;
    return batch;
}

void ps_batch_unref(struct ps_batch *batch)
{
    if (batch && --batch->refs == 0)
        free(batch);
}

void ps_batches_clear(struct ps_batches *batches)
{
    for (size_t i = 0; i < PS_BATCH_KEPT; i++)
        ps_batch_unref(batches->kept[i]);
    *batches = (struct ps_batches){0};
}

static bool wanted(const struct ps_ring_event *event, uint32_t topics)
{
    return topics >> event->topic & 1;
}

/* How far a batch goes, and its bytes. */
static uint64_t measure(const struct ps_ring *ring, uint64_t from,
                        uint32_t topics, size_t *ret_len)
{
    size_t len = 0;

    for (; from < ps_ring_next(ring) && len < PS_BATCH_BYTES; from++) {
        const struct ps_ring_event *event = ps_ring_get(ring, from);

        if (wanted(event, topics))
            len += event->len;
    }
    *ret_len = len;
    return from;
}

static struct ps_batch *make(const struct ps_ring *ring, uint64_t from,
                             uint32_t topics)
{
    struct ps_batch *batch;
    size_t len, at = 0;
    uint64_t next = measure(ring, from, topics, &len);

    batch = malloc(sizeof(*batch) + len);
    if (!batch)
        return NULL;
    *batch = (struct ps_batch){
        .refs = 1, .topics = topics, .from = from, .next = next, .len = len};
    for (; from < next; from++) {
        const struct ps_ring_event *event = ps_ring_get(ring, from);

        if (!wanted(event, topics))
            continue;
        memcpy(batch->text + at, event->text, event->len);
        at += event->len;
    }
    return batch;
}

struct ps_batch *ps_batch_get(struct ps_batches *batches,
                              const struct ps_ring *ring, uint64_t from,
                              uint32_t topics)
{
    struct ps_batch **place;

    for (size_t i = 0; i < PS_BATCH_KEPT; i++) {
        struct ps_batch *batch = batches->kept[i];

        if (batch && batch->from == from && batch->topics == topics)
            return batch;
    }
    place = &batches->kept[batches->turn++ % PS_BATCH_KEPT];
    ps_batch_unref(*place);
    *place = make(ring, from, topics);
    return *place;
}
