/* SPDX-License-Identifier: MIT */
/* The configuration file of ps-gateway. */
#include "gateway/gateway.h"
#include "gateway/start.h"
#include "tests/fuzz/yaml_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *config = calloc(1, sizeof(struct ps_gateway_config));

    REQUIRE(config);
    load_yaml(ps_gateway_options, config, data, size);
    free(config);
    return 0;
}
