/* SPDX-License-Identifier: MIT */
/* The configuration file of ps-locator. */
#include "locator/locator.h"
#include "tests/fuzz/yaml_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *config = calloc(1, sizeof(struct ps_locator_config));

    REQUIRE(config);
    load_yaml(ps_locator_options, config, data, size);
    free(config);
    return 0;
}
