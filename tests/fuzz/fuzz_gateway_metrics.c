/* SPDX-License-Identifier: MIT */
/* Metrics of peers as OpenMetrics: each line is one, and the end is marked. */
#include "common/utf8.h"
#include "gateway/openmetrics.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

static void check_lines(const char *text)
{
    while (*text) {
        const char *end = strchr(text, '\n');

        REQUIRE(end && end > text);
        REQUIRE(strncmp(text, "# ", 2) == 0 || strchr(text, ' ') < end);
        text = end + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    size_t len;
    uint8_t *packed = grow_packed(&g, &ps__metric_list__descriptor, &len);
    Ps__MetricList *list = ps__metric_list__unpack(NULL, len, packed);
    struct evbuffer *out = evbuffer_new();
    struct ps_om_source source;
    char *text;

    free(packed);
    REQUIRE(out);
    if (list) {
        source = (struct ps_om_source){.service = "tester",
                                       .instance = "here",
                                       .metrics = list->metrics,
                                       .n = list->n_metrics};
        REQUIRE(ps_om_write(&source, 1, out) == 0);
        len = evbuffer_get_length(out);
        text = calloc(1, len + 1);
        REQUIRE(text && evbuffer_remove(out, text, len) == (int)len);
        REQUIRE(strlen(text) == len && ps_utf8_valid(text, len));
        REQUIRE(len >= 6 && ps_streq(text + len - 6, "# EOF\n"));
        check_lines(text);
        free(text);
        ps__metric_list__free_unpacked(list, NULL);
    }
    evbuffer_free(out);
    return 0;
}
