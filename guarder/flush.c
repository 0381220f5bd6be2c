/* SPDX-License-Identifier: MIT */
/* ps-guarder --flush: takes the enforcement off and leaves. */
#include <fcntl.h>
#include <sys/file.h>

#include "guarder/guarder.h"

struct flush_config {
    char *run_dir, *state_dir, *log_level;
    bool flush;
};

static const struct ps_option options[] = {
    {.name = "run-dir",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct flush_config, run_dir),
     .def = "/run/packetscope",
     .arg = "DIR",
     .help = "whose enforcement to take off"},
    {.name = "state-dir",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct flush_config, state_dir),
     .arg = "DIR",
     .help = "taken and not used: the rules stay stored"},
    {.name = "log-level",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct flush_config, log_level),
     .arg = "LEVEL",
     .help = "taken and not used"},
    {.name = "flush",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct flush_config, flush),
     .help = "take the enforcement off"},
    {0},
};

/* A running guarder would attach again at once. */
static bool is_running(const char *run_dir)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;

    if (asprintf(&path, "%s/guarder.lock", run_dir) < 0)
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static int flush(const char *run_dir)
{
    size_t n = 0;
    int r;

    if (is_running(run_dir)) {
        ps_error("place_taken", "run_dir=" PS_Q " hint=" PS_Q, run_dir,
                 "end the guarder first");
        return 3;
    }
    r = ps_pins_flush(run_dir, &n);
    if (r < 0) {
        ps_error("flush_failed", "run_dir=" PS_Q " error=" PS_Q, run_dir,
                 strerror(-r));
        return 1;
    }
    ps_info("flushed", "interfaces=%zu", n);
    return 0;
}

int ps_guarder_flush(int argc, char **argv)
{
    struct flush_config config = {0};
    _cleanup_free_ char *error = NULL;
    int code = 2, r;

    ps_log_init("guarder");
    r = ps_options_defaults(options, &config);
    if (r == 0)
        r = ps_options_load_args(options, &config, argc, argv, &error);
    if (r < 0)
        fprintf(stderr, "ps-guarder: %s\n", error ? error : strerror(-r));
    else if (geteuid() != 0)
        fprintf(stderr, "ps-guarder: --flush needs root, for the pinned "
                        "objects are root's\n");
    else
        code = flush(config.run_dir);
    ps_options_free(options, &config);
    return code;
}
