/* SPDX-License-Identifier: MIT */
/* Ids of flows: whatever is taken is written back the same. */
#include "analyzer/flow_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256], back[PS_FLOW_ID_TEXT];
    struct ps_flow_key key;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (ps_flow_id_parse(text, &key) < 0)
        return 0;
    if (strcmp(ps_flow_id_format(&key, back), text) != 0)
        abort();
    return 0;
}
