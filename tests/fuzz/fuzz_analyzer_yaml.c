/* SPDX-License-Identifier: MIT */
/* The configuration file of ps-analyzer. */
#include "analyzer/analyzer.h"
#include "tests/fuzz/yaml_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *config = calloc(1, ps_analyzer_service.config_size);

    REQUIRE(config);
    load_yaml(ps_analyzer_service.options, config, data, size);
    free(config);
    return 0;
}
