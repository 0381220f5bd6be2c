/* SPDX-License-Identifier: MIT */
#include "locator/measure.h"

/* The two clocks run alike but for slewing. */
#define CLOCK_SLACK_NS (100 * (PS_NS_PER_MS / 1000))

enum state {
    UNSENT,
    FLYING,
    ANSWERED,
    EXPIRED,
    FAILED,
};

struct probe {
    uint64_t tx_mono;
    uint64_t tx_real;
    uint64_t rtt_ns;
    enum state state;
};

struct hop {
    struct ps_measure_address addresses[PS_MEASURE_MAX_ADDRESSES];
    uint32_t n_addresses;
    const char *unreachable;
};

struct ps_measure {
    struct ps_measure_config config;
    struct hop hops[PS_MEASURE_MAX_HOPS];
    uint32_t reached; /* the lowest hop limit that got there; 0: none */
    uint32_t blocked; /* the lowest that was told there is no way */
    /* The next probe to send, by round and hop limit. */
    uint32_t round, ttl;
    uint64_t round_due, round_begun;
    /* No probe before this one is on its way. */
    uint32_t oldest;
    uint32_t total_sent, overflow;
    int send_error;
    uint32_t n_probes;
    struct probe probes[]; /* by round, then by hop limit */
};

int ps_measure_new(const struct ps_measure_config *config, uint64_t mono,
                   struct ps_measure **ret_measure)
{
    struct ps_measure *m;
    uint32_t n;

    if (!config->max_hops || config->max_hops > PS_MEASURE_MAX_HOPS ||
        !config->probes || config->probes > PS_MEASURE_MAX_PROBES)
        return -EINVAL;
    n = config->max_hops * config->probes;
    m = calloc(1, sizeof(*m) + n * sizeof(m->probes[0]));
    if (!m)
        return -ENOMEM;
    m->config = *config;
    m->n_probes = n;
    m->ttl = 1;
    m->round_due = mono;
    *ret_measure = m;
    return 0;
}

void ps_measure_free(struct ps_measure **measure)
{
    free(*measure);
    *measure = NULL;
}

const struct ps_icmp_flow *ps_measure_flow(const struct ps_measure *m)
{
    return &m->config.flow;
}

/* ---- sending ------------------------------------------------------------ */

static uint32_t last_ttl(const struct ps_measure *m)
{
    if (m->reached)
        return m->reached;
    return m->blocked ? m->blocked : m->config.max_hops;
}

static uint32_t position(const struct ps_measure *m)
{
    return m->round * m->config.max_hops + m->ttl - 1;
}

static bool all_sent(const struct ps_measure *m)
{
    return m->round >= m->config.probes;
}

static void next_round(struct ps_measure *m)
{
    m->round++;
    m->ttl = 1;
    m->round_due = m->round_begun + m->config.interval_ns;
}

bool ps_measure_next(struct ps_measure *m, uint64_t mono,
                     struct ps_measure_probe *ret_probe)
{
    /* The end may have been found while this round was being sent. */
    if (!all_sent(m) && m->ttl > last_ttl(m))
        next_round(m);
    if (all_sent(m) || mono < m->round_due)
        return false;
    ret_probe->seq = (uint16_t)(m->config.seq_base + position(m));
    ret_probe->ttl = (uint8_t)m->ttl;
    ret_probe->delayed = mono - m->round_due > m->config.interval_ns;
    return true;
}

static void advance(struct ps_measure *m)
{
    if (++m->ttl > last_ttl(m))
        next_round(m);
}

void ps_measure_sent(struct ps_measure *m, uint64_t mono, uint64_t real)
{
    struct probe *probe = &m->probes[position(m)];

    if (m->ttl == 1)
        m->round_begun = mono;
    probe->tx_mono = mono;
    probe->tx_real = real;
    probe->state = FLYING;
    m->total_sent++;
    advance(m);
}

void ps_measure_failed(struct ps_measure *m, int error)
{
    if (m->ttl == 1)
        m->round_begun = m->round_due;
    m->probes[position(m)].state = FAILED;
    m->send_error = error;
    advance(m);
}

static struct probe *find(struct ps_measure *m, uint16_t seq, uint32_t *ret_ttl)
{
    uint32_t i = (uint16_t)(seq - m->config.seq_base);

    if (i >= m->n_probes)
        return NULL;
    *ret_ttl = i % m->config.max_hops + 1;
    return &m->probes[i];
}

void ps_measure_stamp(struct ps_measure *m, uint16_t seq, uint64_t real,
                      uint64_t now_real)
{
    uint32_t ttl;
    struct probe *probe = find(m, seq, &ttl);

    if (probe && probe->state == FLYING && real >= probe->tx_real &&
        real <= now_real)
        probe->tx_real = real;
}

/* ---- answers ------------------------------------------------------------ */

static uint64_t round_trip(const struct probe *probe, uint64_t rx_real,
                           uint64_t now)
{
    uint64_t most = now - probe->tx_mono;

    if (rx_real < probe->tx_real ||
        rx_real - probe->tx_real > most + CLOCK_SLACK_NS)
        return most;
    return rx_real - probe->tx_real;
}

static void add_address(struct ps_measure *m, struct hop *hop,
                        const struct ps_addr *from)
{
    for (uint32_t i = 0; i < hop->n_addresses; i++) {
        if (ps_addr_equal(&hop->addresses[i].ip, from)) {
            hop->addresses[i].received++;
            return;
        }
    }
    if (hop->n_addresses == PS_MEASURE_MAX_ADDRESSES) {
        m->overflow++;
        return;
    }
    hop->addresses[hop->n_addresses++] =
        (struct ps_measure_address){.ip = *from, .received = 1};
}

static void lower(uint32_t *ttl, uint32_t to)
{
    if (!*ttl || to < *ttl)
        *ttl = to;
}

enum ps_measure_match ps_measure_answer(struct ps_measure *m,
                                        const struct ps_icmp_answer *answer,
                                        const struct ps_addr *from,
                                        uint64_t rx_real, uint64_t now)
{
    struct probe *probe;
    struct hop *hop;
    uint64_t rtt_ns;
    uint32_t ttl;

    if (!ps_icmp_answers(&m->config.flow, answer))
        return PS_MEASURE_UNMATCHED;
    probe = find(m, answer->seq, &ttl);
    if (!probe || probe->state == UNSENT || probe->state == FAILED)
        return PS_MEASURE_UNMATCHED;
    if (probe->state == ANSWERED)
        return PS_MEASURE_DUPLICATE;
    if (probe->state == EXPIRED)
        return PS_MEASURE_LATE;
    rtt_ns = round_trip(probe, rx_real, now);
    if (rtt_ns > m->config.timeout_ns) {
        probe->state = EXPIRED;
        return PS_MEASURE_LATE;
    }
    probe->state = ANSWERED;
    probe->rtt_ns = rtt_ns;
    hop = &m->hops[ttl - 1];
    add_address(m, hop, from);
    if (answer->kind == PS_ICMP_ECHO_REPLY)
        lower(&m->reached, ttl);
    if (answer->kind == PS_ICMP_UNREACHABLE) {
        lower(&m->blocked, ttl);
        hop->unreachable = answer->unreachable;
    }
    return PS_MEASURE_MATCHED;
}

void ps_measure_expire(struct ps_measure *m, uint64_t now)
{
    uint32_t end = all_sent(m) ? m->n_probes : position(m);

    for (; m->oldest < end; m->oldest++) {
        struct probe *probe = &m->probes[m->oldest];

        if (probe->state != FLYING)
            continue;
        if (now < probe->tx_mono ||
            now - probe->tx_mono <= m->config.timeout_ns)
            return;
        probe->state = EXPIRED;
    }
}

uint64_t ps_measure_wakeup(const struct ps_measure *m)
{
    uint32_t end = all_sent(m) ? m->n_probes : position(m);
    uint64_t when = all_sent(m) ? UINT64_MAX : m->round_due;

    for (uint32_t i = m->oldest; i < end; i++) {
        const struct probe *probe = &m->probes[i];
        uint64_t over = probe->tx_mono + m->config.timeout_ns + 1;

        if (probe->state == FLYING)
            return over < when ? over : when;
    }
    return when;
}

bool ps_measure_done(const struct ps_measure *m)
{
    if (!all_sent(m))
        return false;
    for (uint32_t i = m->oldest; i < m->n_probes; i++) {
        if (m->probes[i].state == FLYING)
            return false;
    }
    return true;
}

/* ---- figures ------------------------------------------------------------ */

uint32_t ps_measure_hops(const struct ps_measure *m)
{
    uint32_t last = m->round ? m->config.max_hops : m->ttl - 1;

    return last < last_ttl(m) ? last : last_ttl(m);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t square_root(unsigned __int128 value)
{
    uint64_t root = 0;

    for (unsigned int bit = 64; bit-- > 0;) {
        uint64_t guess = root | UINT64_C(1) << bit;

        if ((unsigned __int128)guess * guess <= value)
            root = guess;
    }
    return root;
}

static void summarize(uint64_t *rtts, uint32_t n, struct ps_measure_hop *hop)
{
    unsigned __int128 squares = 0;
    uint64_t sum = 0;

    if (!n)
        return;
    qsort(rtts, n, sizeof(rtts[0]), compare_u64);
    for (uint32_t i = 0; i < n; i++)
        sum += rtts[i];
    hop->min_ns = rtts[0];
    hop->max_ns = rtts[n - 1];
    hop->p50_ns = rtts[(n - 1) / 2];
    hop->avg_ns = sum / n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t off = rtts[i] > hop->avg_ns ? rtts[i] - hop->avg_ns
                                             : hop->avg_ns - rtts[i];

        squares += (unsigned __int128)off * off;
    }
    hop->stddev_ns = square_root(squares / n);
}

void ps_measure_hop(const struct ps_measure *m, uint32_t ttl,
                    struct ps_measure_hop *ret_hop)
{
    const struct hop *hop = &m->hops[ttl - 1];
    uint64_t rtts[PS_MEASURE_MAX_PROBES];
    struct ps_measure_hop out = {
        .n_addresses = hop->n_addresses,
        .unreachable = hop->unreachable,
    };

    memcpy(out.addresses, hop->addresses, sizeof(out.addresses));
    for (uint32_t round = 0; round < m->config.probes; round++) {
        const struct probe *probe =
            &m->probes[round * m->config.max_hops + ttl - 1];

        if (probe->state == UNSENT || probe->state == FAILED)
            continue;
        out.sent++;
        if (probe->state == EXPIRED)
            out.expired++;
        if (probe->state == ANSWERED)
            rtts[out.received++] = probe->rtt_ns;
    }
    summarize(rtts, out.received, &out);
    *ret_hop = out;
}

bool ps_measure_reached(const struct ps_measure *m)
{
    return m->reached != 0;
}

uint32_t ps_measure_total_sent(const struct ps_measure *m)
{
    return m->total_sent;
}

int ps_measure_send_error(const struct ps_measure *m)
{
    return m->send_error;
}

uint32_t ps_measure_overflow(const struct ps_measure *m)
{
    return m->overflow;
}
