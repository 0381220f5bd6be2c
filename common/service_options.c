/* SPDX-License-Identifier: MIT */
/* The options that every daemon has, and where their values come from. */
#include "common/service_internal.h"

static const struct ps_option common_options[] = {
    {.name = "config",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, config),
     .arg = "FILE",
     .help = "YAML file; default /etc/packetscope/NAME.yaml if it exists"},
    {.name = "run-dir",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, run_dir),
     .def = "/run/packetscope",
     .arg = "DIR",
     .help = "sockets and locks"},
    {.name = "state-dir",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, state_dir),
     .def = "/var/lib/packetscope",
     .arg = "DIR",
     .help = "databases and tokens"},
    {.name = "log-level",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, log_level),
     .def = "info",
     .arg = "LEVEL",
     .help = "error, warning, info or debug"},
    {.name = "instance",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, instance),
     .arg = "NAME",
     .help = "name of this instance; default the host's name. The second "
             "replica of a run directory adds -2, and so on"},
    {.name = "user",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, user),
     .def = "packetscope",
     .arg = "NAME",
     .help = "user to become once all is open; root: stay"},
    {.name = "seccomp",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, seccomp),
     .def = "enforce",
     .arg = "MODE",
     .help = "a system call that is not needed: enforce refuses it, log lets "
             "it through and the kernel logs it, abort ends the daemon"},
    {.name = "rep",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, rep),
     .arg = "URL",
     .help = "where requests are taken; default ipc:// in the run directory"},
    {.name = "pub",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, pub),
     .arg = "URL",
     .help = "where events are published; default as above"},
    {.name = "rep-as",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, rep_as),
     .arg = "URL",
     .help = "what the gateway is told instead of --rep, where that is no "
             "address that it can reach"},
    {.name = "pub-as",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, pub_as),
     .arg = "URL",
     .help = "the same instead of --pub"},
    {.name = "announce",
     .type = PS_OPT_LIST,
     .offset = offsetof(struct ps_common_config, announce),
     .max = 16,
     .arg = "URL,...",
     .help = "request sockets of the gateways to announce itself to; default "
             "those in the run directory"},
    {.name = "pub-queue",
     .type = PS_OPT_UINT,
     .offset = offsetof(struct ps_common_config, pub_queue),
     .def = "4096",
     .min = 16,
     .max = 65536,
     .arg = "N",
     .help = "events that wait for one slow listener; it misses the next"},
    {.name = "peers",
     .type = PS_OPT_LIST,
     .offset = offsetof(struct ps_common_config, peers),
     .max = 16,
     .arg = "LIST",
     .help = "NAME=REP_URL+PUB_URL of parts that are not in the run directory"},
    {.name = "tls-ca",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, tls_ca),
     .arg = "FILE",
     .help = "PEM; peers of tls+tcp:// must have a certificate signed by it"},
    {.name = "tls-cert",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, tls_cert),
     .arg = "FILE",
     .help = "PEM; our own certificate for tls+tcp://"},
    {.name = "tls-key",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct ps_common_config, tls_key),
     .arg = "FILE",
     .help = "PEM; its key"},
    {.name = "audit-size",
     .type = PS_OPT_SIZE,
     .offset = offsetof(struct ps_common_config, audit_size),
     .def = "16M",
     .min = PS_AUDIT_MIN_SIZE,
     .max = UINT64_C(16) << 30,
     .arg = "SIZE",
     .help = "of the audit log: the oldest changes leave it first"},
    {.name = "standby",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct ps_common_config, standby),
     .help = "where another holds the place of a tracer, analyzer or guarder, "
             "wait for its end and take it, instead of leaving with 3"},
    {.name = "selftest",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct ps_common_config, selftest),
     .help = "load and attach all, print what this kernel gives, and leave"},
    {.name = "healthcheck",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct ps_common_config, healthcheck),
     .help = "ask the one that runs how it is, print that, and leave; 0: well"},
    {0},
};

static size_t table_length(const struct ps_option *table)
{
    size_t n = 0;

    while (table && table[n].name)
        n++;
    return n;
}

int ps_service_options_make(struct ps_daemon *d)
{
    const struct ps_service *service = d->service;
    size_t n_common = table_length(common_options);
    size_t n_own = table_length(service->options);

    d->own_offset = (sizeof(struct ps_common_config) + 15) & ~(size_t)15;
    d->config = calloc(1, d->own_offset + service->config_size + 1);
    d->options = calloc(n_common + n_own + 1, sizeof(*d->options));
    if (!d->config || !d->options)
        return -ENOMEM;
    memcpy(d->options, common_options, n_common * sizeof(*d->options));
    for (size_t i = 0; i < n_own; i++) {
        d->options[n_common + i] = service->options[i];
        d->options[n_common + i].offset += d->own_offset;
    }
    return ps_options_defaults(d->options, d->config);
}

void ps_service_options_help(const struct ps_daemon *d)
{
    printf("Usage: ps-%s [OPTION]...\n%s\n\n", d->service->name,
           d->service->summary);
    ps_options_print_help(d->options, stdout);
    for (const struct ps_service_print *print = d->service->prints;
         print && print->flag; print++)
        printf("  %-23s %s\n", print->flag, print->help);
    printf("  --help                  show this and leave\n"
           "  --version               show the version and leave\n\n"
           "Each option may stand in the YAML file as its name with _ for -, "
           "and in the\nenvironment as PACKETSCOPE_NAME. Flags win over the "
           "environment, that over the\nfile.\n\n"
           "Signals: TERM and INT end it after answering what is open, HUP "
           "reads again\nwhat can be read again.\n"
           "Exit codes: 0 ended well; 1 failed; 2 wrong usage or "
           "configuration;\n3 another instance holds the place.\n");
}

/* The file must be known before the other sources are read. */
static const char *config_path(int argc, char **argv)
{
    const char *path = getenv("PACKETSCOPE_CONFIG");

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            path = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            path = argv[i + 1];
    }
    return path;
}

static int load_file(struct ps_daemon *d, int argc, char **argv,
                     char **ret_error)
{
    _cleanup_free_ char *standard = NULL;
    const char *path = config_path(argc, argv);
    int r;

    if (path)
        return ps_options_load_yaml(d->options, d->config, path, ret_error);
    if (asprintf(&standard, "/etc/packetscope/%s.yaml", d->service->name) < 0)
        return -ENOMEM;
    r = ps_options_load_yaml(d->options, d->config, standard, ret_error);
    if (r == -ENOENT) {
        free(*ret_error);
        *ret_error = NULL;
        return 0;
    }
    return r;
}

/* The defaults that depend on the host. */
static int fill_config(struct ps_daemon *d, char **ret_error)
{
    struct ps_common_config *config = ps_daemon_common(d);
    enum ps_log_level level;
    uint32_t action;
    char host[65] = "localhost";

    if (ps_log_parse_level(config->log_level, &level) < 0) {
        if (asprintf(ret_error,
                     "log-level is \"%s\"; use error, warning, info or debug",
                     config->log_level) < 0)
            *ret_error = NULL;
        return -EINVAL;
    }
    ps_log_set_level(level);
    if (ps_service_seccomp_mode(config->seccomp, &action) < 0) {
        if (asprintf(ret_error, "seccomp is \"%s\"; use enforce, log or abort",
                     config->seccomp) < 0)
            *ret_error = NULL;
        return -EINVAL;
    }
    if (!config->instance || !*config->instance) {
        free(config->instance);
        gethostname(host, sizeof(host) - 1);
        config->instance = strdup(host);
    }
    if (!config->instance)
        return -ENOMEM;
    if (strlen(config->instance) > PS_SERVICE_MAX_INSTANCE) {
        *ret_error = strdup("instance has more than 64 characters");
        return -EINVAL;
    }
    return 0;
}

int ps_service_options_load(struct ps_daemon *d, int argc, char **argv)
{
    _cleanup_free_ char *error = NULL;
    int r;

    r = load_file(d, argc, argv, &error);
    if (r == 0)
        r = ps_options_load_env(d->options, d->config, &error);
    if (r == 0)
        r = ps_options_load_args(d->options, d->config, argc, argv, &error);
    if (r == 0)
        r = fill_config(d, &error);
    if (r < 0)
        fprintf(stderr, "ps-%s: %s\nTry 'ps-%s --help'.\n", d->service->name,
                error ? error : strerror(-r), d->service->name);
    return r;
}
