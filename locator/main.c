/* SPDX-License-Identifier: MIT */
#include "locator/locator.h"

static const struct ps_service service = {
    .name = "locator",
    .summary = "Measures the ways that packets take through the world.",
    .options = ps_locator_options,
    .config_size = sizeof(struct ps_locator_config),
    .methods = ps_locator_methods,
    .open = ps_locator_open,
    .start = ps_locator_start,
    .sample = ps_locator_sample,
    .reload = ps_locator_reload,
    .stop = ps_locator_stop,
    .close = ps_locator_close,
};

int main(int argc, char **argv)
{
    return ps_service_main(&service, argc, argv);
}
