/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "tracer/convert.h"

void ps_losses_add(Ps__Loss ***losses, size_t *n_losses, const char *id,
                   const char *unit, uint64_t count)
{
    Ps__Loss *loss, **grown;

    if (!count)
        return;
    grown = realloc(*losses, (*n_losses + 1) * sizeof(*grown));
    if (!grown)
        return;
    *losses = grown;
    loss = (Ps__Loss *)ps_message_new(&ps__loss__descriptor);
    if (!loss)
        return;
    loss->id = strdup(id);
    loss->unit = strdup(unit);
    loss->count = count;
    if (!loss->id || !loss->unit)
        protobuf_c_message_free_unpacked(&loss->base, NULL);
    else
        (*losses)[(*n_losses)++] = loss;
}
