/* SPDX-License-Identifier: MIT */
/* The filter as a daemon sets it: what is refused and what still works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/service_internal.h"

static const char *const none[] = {NULL};
static const char *const maps[] = {"bpf", NULL};
static const char *const links[] = {"bpf", "setns", "perf_event_open", NULL};

/* The own calls of the daemons: gateway and locator, analyzer and guarder,
 * tracer. */
static const char *const *const tables[] = {none, maps, links};

/* Runs fn in a child behind the filter; its exit code, or -signal. */
static int behind(const char *const *own, const char *mode,
                  int (*fn)(void *arg), void *arg)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        uint32_t action;

        if (ps_service_seccomp_mode(mode, &action) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            ps_service_seccomp(own, action) < 0)
            _exit(99);
        _exit(fn(arg));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return -WTERMSIG(status);
    return WEXITSTATUS(status);
}

/* ---- what is refused ---------------------------------------------------- */

struct call {
    const char *name;
    long nr;
    long args[4];
};

#define CALL(name, ...)    \
    {                      \
        #name, SYS_##name, \
        {                  \
            __VA_ARGS__    \
        }                  \
    }

/* With arguments that fail otherwise, so that a hole changes nothing here. */
static const struct call refused[] = {
    CALL(execve),
    CALL(execveat, -1),
    CALL(fork),
    CALL(vfork),
    CALL(clone, CLONE_NEWUSER | SIGCHLD),
    CALL(clone, CLONE_THREAD | CLONE_NEWNET),
    CALL(unshare, CLONE_NEWNET),
    CALL(mount),
    CALL(umount2),
    CALL(pivot_root),
    CALL(chroot),
    CALL(ptrace, -1, -1),
    CALL(process_vm_writev, -1),
    CALL(init_module, 0, 0, 0),
    CALL(finit_module, -1),
    CALL(delete_module),
    CALL(kexec_load, 0, 0, 0, -1),
    CALL(reboot),
    CALL(swapon),
    CALL(settimeofday, 1),
    CALL(clock_settime, -1),
    CALL(sethostname, 0, -1),
    CALL(add_key),
    CALL(keyctl, -1),
    CALL(request_key),
    CALL(userfaultfd, -1),
    CALL(perf_event_open, 0, -1, -1, -1),
    CALL(io_uring_setup, -1),
    CALL(open_by_handle_at, -1),
    CALL(name_to_handle_at, -1),
    CALL(fanotify_init, -1),
    CALL(quotactl, -1),
    CALL(personality, -1),
    CALL(setuid, 0),
    CALL(setgid, 0),
    CALL(setgroups, -1),
    CALL(capset),
    CALL(mknodat, -1),
    CALL(linkat, -1),
    CALL(symlinkat, 0, -1),
    CALL(shmget, -1, -1, -1),
    CALL(msgget, -1, -1),
    CALL(syslog, -1),
    CALL(seccomp, -1),
    CALL(bpf, -1),
    CALL(setns, -1, 0),
    CALL(socket, AF_PACKET, SOCK_RAW, 0),
    CALL(socket, AF_VSOCK, SOCK_STREAM, 0),
    CALL(ioctl, -1, TIOCSTI),
    CALL(ioctl, -1, TIOCLINUX),
};

static bool in_table(const char *const *own, const char *name)
{
    for (; *own; own++) {
        if (strcmp(*own, name) == 0)
            return true;
    }
    return false;
}

/* The sanitizers' own needs. */
static bool is_sanitizers(const char *name)
{
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
    return strcmp(name, "ptrace") == 0 || strcmp(name, "clone") == 0;
#else
    (void)name;
    return false;
#endif
}

/* 0: refused by the filter, 1: not. */
static int try_call(void *arg)
{
    const struct call *c = arg;
    long rc;

    errno = 0;
    rc = syscall(c->nr, c->args[0], c->args[1], c->args[2], c->args[3]);
    return rc == -1 && errno == EPERM ? 0 : 1;
}

static void all_is_refused(void **state _unused_)
{
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
            struct call call = refused[i];
            bool own = in_table(tables[t], call.name);
            int rc;

            if (is_sanitizers(call.name))
                continue;
            rc = behind(tables[t], "enforce", try_call, &call);
            /* An own one fails by its arguments: EINVAL, EBADF. */
            if (rc != own)
                print_error("table %zu: %s gave %d\n", t, call.name, rc);
            assert_int_equal(rc, own);
        }
    }
}

/* A call that nobody knows yet is as on an old kernel. */
static int try_new(void *arg _unused_)
{
    static const long numbers[] = {435, 442, 462, 511};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        errno = 0;
        if (syscall(numbers[i], 0, 0, 0, 0) != -1 || errno != ENOSYS)
            return (int)i + 1;
    }
    return 0;
}

static void new_calls_are_missing(void **state _unused_)
{
    assert_int_equal(behind(none, "enforce", try_new, NULL), 0);
}

static int map_both(void *arg _unused_)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return 1;
    if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
        return 2;
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0)
        return 3;
    page = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    return page == MAP_FAILED ? 0 : 4;
}

static void memory_is_written_or_run(void **state _unused_)
{
    assert_int_equal(behind(none, "enforce", map_both, NULL), 0);
}

/* ---- what works --------------------------------------------------------- */

static void *thread_body(void *arg)
{
    *(int *)arg = 7;
    return NULL;
}

static int work(void *arg _unused_)
{
    struct passwd pw, *found = NULL;
    char buffer[4096];
    char path[] = "/tmp/ps-seccomp-XXXXXX";
    pthread_t thread;
    int value = 0;
    int fd;

    if (pthread_create(&thread, NULL, thread_body, &value) != 0 ||
        pthread_join(thread, NULL) != 0 || value != 7)
        return 1;
    fd = mkstemp(path);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 ||
        rename(path, path) < 0 || unlink(path) < 0 || close(fd) < 0)
        return 2;
    if (getpwuid_r(0, &pw, buffer, sizeof(buffer), &found) != 0 || !found)
        return 3;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || close(fd) < 0)
        return 4;
    return ps_now_ns() > 0 && ps_mono_ns() > 0 ? 0 : 5;
}

static int use_store(void *arg _unused_)
{
    static const char *const schema[] = {"CREATE TABLE t (x INTEGER)", NULL};
    _cleanup_free_ char *error = NULL;
    char dir[] = "/tmp/ps-seccomp-XXXXXX";
    char path[sizeof(dir) + 8];
    struct ps_store *store = NULL;
    int r;

    if (!mkdtemp(dir))
        return 1;
    r = ps_store_open(dir, "s", schema, 1u << 20, &store, &error);
    if (r == 0)
        r = ps_store_exec(store, "INSERT INTO t VALUES (1)");
    ps_store_free(&store);
    snprintf(path, sizeof(path), "%s/s.db", dir);
    return r == 0 && unlink(path) == 0 && rmdir(dir) == 0 ? 0 : 2;
}

static void libraries_work(void **state _unused_)
{
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
        assert_int_equal(behind(tables[t], "abort", work, NULL), 0);
    assert_int_equal(behind(none, "abort", use_store, NULL), 0);
}

/* ---- modes -------------------------------------------------------------- */

static int do_unshare(void *arg _unused_)
{
    return syscall(SYS_unshare, 0) == 0 ? 0 : 1;
}

/* What perf_event_open() gives is of no use to who may not call it. */
static int try_event(void *arg)
{
    errno = 0;
    ioctl(-1, *(unsigned long *)arg, 0);
    return errno == EPERM ? 0 : 1;
}

static void events_are_the_tracers(void **state _unused_)
{
    static const struct {
        unsigned long request;
        int tracer; /* 1: it may */
    } requests[] = {
        {PERF_EVENT_IOC_ENABLE, 1},
        {PERF_EVENT_IOC_SET_BPF, 1},
        {PERF_EVENT_IOC_DISABLE, 0},
        {PERF_EVENT_IOC_SET_OUTPUT, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        unsigned long request = requests[i].request;

        assert_int_equal(behind(none, "enforce", try_event, &request), 0);
        assert_int_equal(behind(maps, "enforce", try_event, &request), 0);
        assert_int_equal(behind(links, "enforce", try_event, &request),
                         requests[i].tracer);
    }
}

static void abort_ends_it(void **state _unused_)
{
    assert_int_equal(behind(none, "abort", do_unshare, NULL), -SIGABRT);
}

static void log_lets_it_through(void **state _unused_)
{
    assert_int_equal(behind(none, "log", do_unshare, NULL), 0);
    assert_int_equal(behind(none, "enforce", do_unshare, NULL), 1);
}

static void modes_have_names(void **state _unused_)
{
    uint32_t action;

    assert_int_equal(ps_service_seccomp_mode("enforce", &action), 0);
    assert_int_equal(action, SCMP_ACT_ERRNO(EPERM));
    assert_int_equal(ps_service_seccomp_mode("off", &action), -EINVAL);
    assert_int_equal(ps_service_seccomp_mode("", &action), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_refused),
        cmocka_unit_test(new_calls_are_missing),
        cmocka_unit_test(memory_is_written_or_run),
        cmocka_unit_test(libraries_work),
        cmocka_unit_test(events_are_the_tracers),
        cmocka_unit_test(abort_ends_it),
        cmocka_unit_test(log_lets_it_through),
        cmocka_unit_test(modes_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
