/* SPDX-License-Identifier: MIT */
/*
 * Drop reasons by name, from the running kernel's BTF: enum skb_drop_reason
 * and the enums that subsystems register (include/net/dropreason.h: the upper
 * 16 bits are the subsystem, SKB_DROP_REASON_SUBSYS_*).
 */
#include "common/bpf.h"

#define MAX_REASONS    1024
#define SUBSYS_SHIFT   16
#define MAX_SUBSYSTEMS 32

struct reason {
    uint32_t code;
    char *name;
};

struct ps_drop_reasons {
    struct reason items[MAX_REASONS];
    size_t n;
    char *subsystems[MAX_SUBSYSTEMS]; /* NULL: no such */
};

static const struct {
    const char *type;   /* of the enum */
    const char *prefix; /* taken off its names */
    const char *module; /* whose types have it, where it is not built in */
} enums[] = {
    {"skb_drop_reason", "SKB_DROP_REASON_", NULL},
    {"mac80211_drop_reason", "RX_DROP_", "mac80211"},
    {"ovs_drop_reason", "OVS_DROP_", "openvswitch"},
    {"qdisc_drop_reason", "QDISC_DROP_", NULL},
};

static const char subsys_type[] = "skb_drop_reason_subsys";
static const char subsys_prefix[] = "SKB_DROP_REASON_SUBSYS_";

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

static const struct btf_type *find_enum(const struct btf *btf,
                                        const char *type_name)
{
    int id = btf__find_by_name_kind(btf, type_name, BTF_KIND_ENUM);

    return id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);
}

/* False where these types do not have it. */
static bool add_enum(struct ps_drop_reasons *reasons, const struct btf *btf,
                     size_t which)
{
    const struct btf_type *type = find_enum(btf, enums[which].type);

    for (unsigned int i = 0; type && i < btf_vlen(type); i++) {
        const struct btf_enum *e = btf_enum(type) + i;
        const char *name = btf__name_by_offset(btf, e->name_off);
        uint32_t code = (uint32_t)e->val;

        /* A subsystem's enum has verdicts too, and the start of its range. */
        if (which && (!(code >> SUBSYS_SHIFT) || !name || name[0] == '_'))
            continue;
        add(reasons, code, name, enums[which].prefix);
    }
    return type != NULL;
}

/* "openvswitch" for SKB_DROP_REASON_SUBSYS_OPENVSWITCH = 2. */
static void add_subsystems(struct ps_drop_reasons *reasons,
                           const struct btf *btf)
{
    const struct btf_type *type = find_enum(btf, subsys_type);

    for (unsigned int i = 0; type && i < btf_vlen(type); i++) {
        const struct btf_enum *e = btf_enum(type) + i;
        const char *name = btf__name_by_offset(btf, e->name_off);
        char **to;

        if (!name || e->val < 0 || e->val >= MAX_SUBSYSTEMS ||
            strncmp(name, subsys_prefix, sizeof(subsys_prefix) - 1) != 0)
            continue;
        name += sizeof(subsys_prefix) - 1;
        to = &reasons->subsystems[e->val];
        if (*to || !strcmp(name, "NUM"))
            continue;
        *to = strdup(name);
        for (char *c = *to; c && *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c - 'A' + 'a');
    }
}

static void add_of_module(struct ps_drop_reasons *reasons, struct btf *kernel,
                          size_t which)
{
    struct btf *types = btf__load_module_btf(enums[which].module, kernel);

    if (libbpf_get_error(types))
        return; /* not loaded: nothing drops for it */
    add_enum(reasons, types, which);
    btf__free(types);
}

int ps_drop_reasons_load(struct btf *kernel,
                         struct ps_drop_reasons **ret_reasons)
{
    struct ps_drop_reasons *reasons;

    if (!kernel)
        return -ENOENT;
    reasons = calloc(1, sizeof(*reasons));
    if (!reasons)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(enums); i++)
        if (!add_enum(reasons, kernel, i) && enums[i].module)
            add_of_module(reasons, kernel, i);
    add_subsystems(reasons, kernel);
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
    for (size_t i = 0; i < MAX_SUBSYSTEMS; i++)
        free(reasons->subsystems[i]);
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

const char *ps_drop_reason_subsystem(const struct ps_drop_reasons *reasons,
                                     uint32_t code)
{
    uint32_t subsystem = code >> SUBSYS_SHIFT;

    if (!reasons || subsystem >= MAX_SUBSYSTEMS)
        return NULL;
    /* Before 6.4 there is only the core. */
    if (!subsystem && !reasons->subsystems[0])
        return "core";
    return reasons->subsystems[subsystem];
}
