/* SPDX-License-Identifier: MIT */
/*
 * Drop reasons by name, from the running kernel's BTF: enum skb_drop_reason
 * and the enums that subsystems register (include/net/dropreason.h: the upper
 * 16 bits are the subsystem, SKB_DROP_REASON_SUBSYS_*).
 */
#include "common/bpf.h"

#define MAX_REASONS 1024

struct reason {
    uint32_t code;
    char *name;
};

struct ps_drop_reasons {
    struct reason items[MAX_REASONS];
    size_t n;
};

static const struct {
    const char *type;   /* of the enum */
    const char *prefix; /* taken off its names */
} enums[] = {
    {"skb_drop_reason", "SKB_DROP_REASON_"},
    {"mac80211_drop_reason", "RX_DROP_"},
    {"ovs_drop_reason", "OVS_DROP_"},
    {"qdisc_drop_reason", "QDISC_DROP_"},
};

static void add(struct ps_drop_reasons *reasons, uint32_t code,
                const char *name, const char *prefix)
{
    size_t len = strlen(prefix);

    if (!name || reasons->n == MAX_REASONS)
        return;
    if (strncmp(name, prefix, len) == 0)
        name += len;
    /* Bounds of ranges, not reasons. */
    if (strcmp(name, "MAX") == 0 || strstr(name, "SUBSYS_MASK"))
        return;
    reasons->items[reasons->n].name = strdup(name);
    if (!reasons->items[reasons->n].name)
        return;
    reasons->items[reasons->n++].code = code;
}

static void add_enum(struct ps_drop_reasons *reasons, const struct btf *btf,
                     const char *type_name, const char *prefix)
{
    const struct btf_type *type;
    int id;

    id = btf__find_by_name_kind(btf, type_name, BTF_KIND_ENUM);
    if (id < 0)
        return;
    type = btf__type_by_id(btf, (__u32)id);
    for (unsigned int i = 0; i < btf_vlen(type); i++) {
        const struct btf_enum *e = btf_enum(type) + i;

        add(reasons, (uint32_t)e->val, btf__name_by_offset(btf, e->name_off),
            prefix);
    }
}

int ps_drop_reasons_load(const struct btf *kernel,
                         struct ps_drop_reasons **ret_reasons)
{
    struct ps_drop_reasons *reasons;

    if (!kernel)
        return -ENOENT;
    reasons = calloc(1, sizeof(*reasons));
    if (!reasons)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(enums); i++)
        add_enum(reasons, kernel, enums[i].type, enums[i].prefix);
    if (reasons->n == 0) {
        free(reasons);
        return -ENOENT;
    }
    *ret_reasons = reasons;
    return 0;
}

void ps_drop_reasons_free(struct ps_drop_reasons **reasonsp)
{
    struct ps_drop_reasons *reasons = *reasonsp;

    *reasonsp = NULL;
    if (!reasons)
        return;
    for (size_t i = 0; i < reasons->n; i++)
        free(reasons->items[i].name);
    free(reasons);
}

const char *ps_drop_reason_name(const struct ps_drop_reasons *reasons,
                                uint32_t code)
{
    for (size_t i = 0; reasons && i < reasons->n; i++) {
        if (reasons->items[i].code == code)
            return reasons->items[i].name;
    }
    return NULL;
}
