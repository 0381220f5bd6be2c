/* SPDX-License-Identifier: MIT */
#include "gateway/announce.h"
#include "gateway/gateway.h"
#include "gateway/openapi.h"
#include "gateway/start.h"

static int print_openapi(FILE *out)
{
    json_t *document = ps_openapi_document();
    int r = document ? json_dumpf(document, out, JSON_INDENT(2)) : -1;

    json_decref(document);
    if (r < 0 || fputc('\n', out) == EOF || fflush(out) == EOF)
        return -EIO;
    return 0;
}

static const struct ps_service_print prints[] = {
    {.flag = "--openapi",
     .help = "print the OpenAPI document and leave",
     .print = print_openapi},
    {0},
};

static const struct ps_service service = {
    .name = "gateway",
    .audit_shared = true,
    .summary = "The one HTTP door of PacketScope: REST, events, metrics, and "
               "the console's files.",
    .options = ps_gateway_options,
    .config_size = sizeof(struct ps_gateway_config),
    .prints = prints,
    .methods = ps_gateway_methods,
    .open = ps_gateway_open,
    .start = ps_gateway_start,
    .reload = ps_gateway_reload,
    .drain = ps_gateway_drain,
    .sample = ps_gateway_sample,
    .stop = ps_gateway_stop,
    .close = ps_gateway_close,
};

int main(int argc, char **argv)
{
    return ps_service_main(&service, argc, argv);
}
