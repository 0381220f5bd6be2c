/* SPDX-License-Identifier: MIT */
/* The kernel's types: names of drop reasons, and arguments of tracepoints. */
#include "common/bpf.h"
#include "tests/fuzz/fuzz.h"

static int quiet(enum libbpf_print_level level _unused_,
                 const char *fmt _unused_, va_list args _unused_)
{
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_drop_reasons *reasons = NULL;
    struct btf *btf;

    libbpf_set_print(quiet);
    btf = btf__new(data, (uint32_t)size);
    if (!btf)
        return 0;
    if (ps_drop_reasons_load(btf, &reasons) == 0) {
        for (uint32_t code = 0; code < 256; code++) {
            const char *name = ps_drop_reason_name(reasons, code);

            REQUIRE(!name || strlen(name) < size);
        }
        ps_drop_reasons_free(&reasons);
    }
    ps_bpf_tracepoint_args(btf, "kfree_skb");
    ps_bpf_has_type(btf, "skb_drop_reason");
    btf__free(btf);
    return 0;
}
