/* SPDX-License-Identifier: MIT */
#include "gateway/gateway.h"
#include "gateway/start.h"

static const struct ps_service service = {
    .name = "gateway",
    .summary = "The one HTTP door of PacketScope: REST, events, metrics, and "
               "the console's files.",
    .options = ps_gateway_options,
    .config_size = sizeof(struct ps_gateway_config),
    .open = ps_gateway_open,
    .start = ps_gateway_start,
    .drain = ps_gateway_drain,
    .sample = ps_gateway_sample,
    .stop = ps_gateway_stop,
    .close = ps_gateway_close,
};

int main(int argc, char **argv)
{
    return ps_service_main(&service, argc, argv);
}
