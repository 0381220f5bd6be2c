/* SPDX-License-Identifier: MIT */
/* Which system calls a daemon may make once it runs; all else is refused. */
#include <linux/perf_event.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/service_internal.h"

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/*
 * What libevent, NNG, SQLite, mbed TLS, OpenSSL and glibc do for all of us,
 * measured with strace over the end-to-end tests, and the other names that
 * glibc from 2.31 to 2.41 and the arm64 tables have for the same. A name that
 * an architecture does not have is passed over.
 */
static const char *const common_calls[] = {
    /* memory; mmap and mprotect are below */
    "brk", "madvise", "membarrier", "mlock", "mremap", "msync", "munlock",
    "munmap",
    /* files */
    "access", "chmod", "close", "close_range", "dup", "dup2", "dup3",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod", "fchmodat",
    "fchown", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync",
    "ftruncate", "getcwd", "getdents64", "lseek", "lstat", "mkdir", "mkdirat",
    "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "pwrite64",
    "pwritev", "read", "readlink", "readlinkat", "readv", "rename", "renameat",
    "renameat2", "rmdir", "sendfile", "stat", "statfs", "statx", "umask",
    "unlink", "unlinkat", "utimensat", "write", "writev",
    /* sockets; socket() is below */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname",
    "getsockopt", "listen", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg",
    "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
    /* waiting */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
    "epoll_wait", "eventfd2", "pipe", "pipe2", "poll", "ppoll", "pselect6",
    "select", "timerfd_create", "timerfd_settime",
    /* threads; clone() is below */
    "exit", "exit_group", "futex", "get_robust_list", "getpid", "getppid",
    "gettid", "rseq", "sched_getaffinity", "sched_getparam",
    "sched_getscheduler", "sched_yield", "set_robust_list", "set_tid_address",
    "tgkill",
    /* signals */
    "restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
    "rt_sigreturn", "rt_sigtimedwait", "sigaltstack",
    /* time */
    "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer",
    "gettimeofday", "nanosleep", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_settime",
    /* who and where we are */
    "arch_prctl", "capget", "getegid", "geteuid", "getgid", "getgroups",
    "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "getuid",
    "prctl", "prlimit64", "sysinfo", "uname"};

/* Of the sanitizers: symbols, the leak checker, and its stopping of all
 * threads. */
static const char *const sanitizer_calls[] = {
    "clone",  "getpgrp",   "kill",  "process_vm_readv",
    "ptrace", "setitimer", "tkill", "wait4"};

/* Families of sockets that a running daemon makes; raw ones are opened before
 * the filter. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/*
 * Calls of Linux 5.3 and later have the same numbers everywhere. One that is
 * not allowed answers as an older kernel would: libraries then take the way
 * that they have for those, and do not for EPERM. clone3() is one: its flags
 * cannot be looked at.
 */
#define FIRST_NEW_CALL 434
#define LAST_NEW_CALL  511

static int allow(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        int nr = seccomp_syscall_resolve_name(names[i]);

        if (nr >= 0)
            r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
    }
    return r;
}

/* Threads only: no process, and no namespace, which clone() could make too. */
static int allow_threads(scmp_filter_ctx ctx)
{
    const uint64_t looked_at = CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP |
                               CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                               CLONE_NEWPID | CLONE_NEWNET;

    if (SANITIZED)
        return 0;
    return seccomp_rule_add(
        ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
        SCMP_A0(SCMP_CMP_MASKED_EQ, looked_at, CLONE_THREAD));
}

/* No memory that can be written and run at once. */
static int allow_memory(scmp_filter_ctx ctx)
{
    static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    const uint64_t both = PROT_WRITE | PROT_EXEC;
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(calls) && r == 0; i++) {
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        if (r == 0)
            r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, both, PROT_EXEC));
    }
    return r;
}

static int allow_sockets(scmp_filter_ctx ctx)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
        r = seccomp_rule_add(
            ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)families[i]));
    return r;
}

/* How much there is to read, not to wait, is it a terminal; and all about
 * interfaces, which capabilities bound. events: those of what
 * perf_event_open() gives. */
static int allow_ioctls(scmp_filter_ctx ctx, bool events)
{
    static const struct {
        uint64_t mask, request;
    } requests[] = {
        {UINT32_MAX, FIONREAD},
        {UINT32_MAX, FIONBIO},
        {UINT32_MAX, TCGETS},
        {0xffffff00, 0x8900}, /* SIOC... */
    };
    int r = 0;

    if (events)
        r = seccomp_rule_add(
            ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
            SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, PERF_EVENT_IOC_ENABLE));
    if (events && r == 0)
        r = seccomp_rule_add(
            ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
            SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, PERF_EVENT_IOC_SET_BPF));

    for (size_t i = 0; i < ARRAY_SIZE(requests) && r == 0; i++)
        r = seccomp_rule_add(
            ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
            SCMP_A1(SCMP_CMP_MASKED_EQ, requests[i].mask, requests[i].request));
    return r;
}

static bool is_in(const char *const *names, size_t n, int nr)
{
    for (size_t i = 0; i < n; i++) {
        if (seccomp_syscall_resolve_name(names[i]) == nr)
            return true;
    }
    return false;
}

static int deny_new(scmp_filter_ctx ctx, const char *const *own, size_t n_own)
{
    int r = 0;

    for (int nr = FIRST_NEW_CALL; nr <= LAST_NEW_CALL && r == 0; nr++) {
        if (!is_in(common_calls, ARRAY_SIZE(common_calls), nr) &&
            !is_in(own, n_own, nr))
            r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
    }
    return r;
}

/* ---- modes -------------------------------------------------------------- */

static const struct mode {
    const char *name;
    uint32_t action;
} modes[] = {
    {"enforce", SCMP_ACT_ERRNO(EPERM)},
    {"abort", SCMP_ACT_TRAP},
    {"log", SCMP_ACT_LOG},
};

int ps_service_seccomp_mode(const char *name, uint32_t *ret_action)
{
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (ps_streq(name, modes[i].name)) {
            *ret_action = modes[i].action;
            return 0;
        }
    }
    return -EINVAL;
}

/* Only what a signal handler may call. */
static void on_forbidden(int sig _unused_, siginfo_t *info,
                         void *context _unused_)
{
    char line[] = "seccomp_forbidden syscall=0000\n";
    int nr = info->si_syscall;

    for (size_t i = sizeof(line) - 3; nr > 0 && line[i] == '0'; i--) {
        line[i] = (char)('0' + nr % 10);
        nr /= 10;
    }
    if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
        _exit(127);
    abort();
}

static int catch_forbidden(void)
{
    struct sigaction action = {.sa_sigaction = on_forbidden,
                               .sa_flags = SA_SIGINFO};

    return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

int ps_service_seccomp(const char *const *own, uint32_t action)
{
    scmp_filter_ctx ctx = seccomp_init(action);
    size_t n_own = 0;
    int r = 0;

    if (!ctx)
        return -ENOMEM;
    while (own && own[n_own])
        n_own++;
    if (action == SCMP_ACT_TRAP)
        r = catch_forbidden();
    if (r == 0)
        r = allow(ctx, common_calls, ARRAY_SIZE(common_calls));
    if (r == 0 && SANITIZED)
        r = allow(ctx, sanitizer_calls, ARRAY_SIZE(sanitizer_calls));
    if (r == 0)
        r = allow(ctx, own, n_own);
    if (r == 0)
        r = allow_threads(ctx);
    if (r == 0)
        r = allow_memory(ctx);
    if (r == 0)
        r = allow_sockets(ctx);
    if (r == 0)
        r = allow_ioctls(
            ctx,
            is_in(own, n_own, seccomp_syscall_resolve_name("perf_event_open")));
    if (r == 0)
        r = deny_new(ctx, own, n_own);
    /* A sorted tree instead of a list: some 8 comparisons for each call. */
    if (r == 0)
        (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    return r;
}
