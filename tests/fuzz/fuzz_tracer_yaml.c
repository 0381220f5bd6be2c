/* SPDX-License-Identifier: MIT */
/* The configuration file of ps-tracer. */
#include "tests/fuzz/yaml_of.h"
#include "tracer/tracer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *config = calloc(1, ps_tracer_service.config_size);

    REQUIRE(config);
    load_yaml(ps_tracer_service.options, config, data, size);
    free(config);
    return 0;
}
