/* SPDX-License-Identifier: MIT */
/* Directories, and the drop of privileges. */
#include <cap-ng.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/service_internal.h"

#define DIR_MODE 0750

struct account {
    uid_t uid;
    gid_t gid;
    bool found;
    bool keep_dac; /* root, whose directories are another's */
};

/* A container may have neither; then we stay, and what we make stays ours. */
static bool may_change_user(void)
{
    return capng_get_caps_process() == 0 &&
           capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
           capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID);
}

/*
 * The user to become: the one named; the default one only where it exists, so
 * that the suite also runs where nobody made it.
 */
static int find_account(struct ps_daemon *d, struct account *ret_account)
{
    const char *name = ps_daemon_common(d)->user;
    struct account account = {0};
    struct passwd pw;
    struct passwd *found = NULL;
    char buffer[4096];

    if (geteuid() != 0 || !name || !*name || ps_streq(name, "root") ||
        !may_change_user()) {
        *ret_account = account;
        return 0;
    }
    getpwnam_r(name, &pw, buffer, sizeof(buffer), &found);
    if (!found && !ps_streq(name, "packetscope"))
        return -ENOENT;
    if (found) {
        account.uid = pw.pw_uid;
        account.gid = pw.pw_gid;
        account.found = true;
    }
    *ret_account = account;
    return 0;
}

static int make_dir(const char *path, const struct account *account)
{
    _cleanup_free_ char *copy = strdup(path);
    struct stat st;

    if (!copy)
        return -ENOMEM;
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    /* What was there before stays its owner's: it may be /tmp. */
    if (mkdir(copy, DIR_MODE) < 0) {
        if (errno != EEXIST || stat(path, &st) < 0)
            return -errno;
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    }
    if (account->found && chown(path, account->uid, account->gid) < 0)
        return -errno;
    return 0;
}

int ps_service_make_dirs(struct ps_daemon *d)
{
    const struct ps_common_config *config = ps_daemon_common(d);
    struct account account;
    int r;

    r = find_account(d, &account);
    if (r < 0) {
        ps_error("user_unknown", "user=" PS_Q " hint=" PS_Q, config->user,
                 "make it, or name another with --user");
        return r;
    }
    r = make_dir(config->run_dir, &account);
    if (r < 0) {
        ps_error("run_dir_failed", "path=" PS_Q " error=" PS_Q, config->run_dir,
                 strerror(-r));
        return r;
    }
    r = make_dir(config->state_dir, &account);
    if (r < 0)
        ps_error("state_dir_failed", "path=" PS_Q " error=" PS_Q,
                 config->state_dir, strerror(-r));
    return r;
}

/* NAME.db, NAME.db-wal, NAME.lock ... were made by root before the drop. */
static int give_files(const char *dir, const char *name,
                      const struct account *account)
{
    size_t len = strlen(name);
    struct dirent *entry;
    DIR *handle;
    int r = 0;

    handle = opendir(dir);
    if (!handle)
        return -errno;
    while ((entry = readdir(handle))) {
        if (strncmp(entry->d_name, name, len) != 0 || entry->d_name[len] != '.')
            continue;
        /* NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions) */
        if (fchownat(dirfd(handle), entry->d_name, account->uid, account->gid,
                     AT_SYMLINK_NOFOLLOW) < 0 &&
            errno != ENOENT)
            r = -errno;
    }
    closedir(handle);
    return r;
}

/* Whether the user can get to a directory and write there; asked by a child
 * that becomes it, since access(2) knows only our own. */
static bool user_can_write(const char *dir, const struct account *account)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setgid(account->gid) < 0 ||
            setuid(account->uid) < 0)
            _exit(1);
        _exit(access(dir, W_OK | X_OK) == 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the drop ----------------------------------------------------------- */

/*
 * Keeps those of keep_caps that are there: a container may have fewer. The
 * bounding set needs CAP_SETPCAP, without which it bounds nothing that
 * no-new-privs does not.
 */
static int drop_capabilities(struct ps_daemon *d, const struct account *account)
{
    const int *caps = d->service->keep_caps;
    bool held[CAP_LAST_CAP + 1] = {false};
    bool bound;
    int rc;

    if (capng_get_caps_process() < 0)
        return -EPERM;
    for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++)
        held[cap] = capng_have_capability(CAPNG_PERMITTED, cap);
    bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(CAPNG_SELECT_BOTH);
    for (; caps && *caps >= 0 && *caps <= CAP_LAST_CAP; caps++) {
        if (held[*caps] &&
            capng_update(CAPNG_ADD,
                         CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
                         (unsigned int)*caps) < 0)
            return -EINVAL;
    }
    if (account->keep_dac && held[CAP_DAC_OVERRIDE] &&
        capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
                     CAP_DAC_OVERRIDE) < 0)
        return -EINVAL;
    if (account->found)
        rc = capng_change_id((int)account->uid, (int)account->gid,
                             CAPNG_DROP_SUPP_GRP |
                                 (bound ? CAPNG_CLEAR_BOUNDING : 0));
    else
        rc = capng_apply(bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
    if (rc != 0)
        return -EPERM;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return 0;
}

static bool owned_by_root(const char *dir)
{
    struct stat st;

    return stat(dir, &st) == 0 && st.st_uid == 0;
}

/* Its group lets the other daemons' user connect to our sockets. */
static void stay_root(struct ps_daemon *d, struct account *account)
{
    ps_warning("user_kept", "user=root reason=" PS_Q,
               "the state or run directory lies where the user packetscope "
               "cannot get to; capabilities are dropped all the same");
    if (setgid(account->gid) < 0)
        ps_warning("group_kept", "error=" PS_Q, strerror(errno));
    account->found = false;
    account->keep_dac = !owned_by_root(ps_daemon_state_dir(d)) ||
                        !owned_by_root(ps_daemon_run_dir(d));
}

static int become(struct ps_daemon *d, struct account *account)
{
    int r;

    if (!account->found)
        return 0;
    if (!user_can_write(ps_daemon_state_dir(d), account) ||
        !user_can_write(ps_daemon_run_dir(d), account)) {
        stay_root(d, account);
        return 0;
    }
    r = give_files(ps_daemon_state_dir(d), d->place, account);
    if (r == 0)
        r = give_files(ps_daemon_run_dir(d), d->place, account);
    return r;
}

int ps_service_become_first(struct ps_daemon *d)
{
    struct account account;

    if (find_account(d, &account) < 0 || !account.found ||
        capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE))
        return 0; /* an unknown user is said by who makes the directories */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
        setgid(account.gid) < 0 || setuid(account.uid) < 0)
        return -errno;
    /* They are permitted still, and no more effective. */
    if (capng_get_caps_process() < 0)
        return -EPERM;
    for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
        if (capng_have_capability(CAPNG_PERMITTED, cap) &&
            capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, cap) < 0)
            return -EINVAL;
    }
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return -EPERM;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return 0;
}

int ps_service_drop(struct ps_daemon *d)
{
    struct account account;
    uint32_t action;
    int r;

    r = find_account(d, &account);
    if (r == 0)
        r = become(d, &account);
    if (r == 0)
        r = drop_capabilities(d, &account);
    if (r < 0)
        return r;
    /* capng_change_id clears it; /proc/self stays readable for ourselves. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    r = ps_service_seccomp_mode(ps_daemon_common(d)->seccomp, &action);
    if (r < 0)
        return r;
    return ps_service_seccomp(d->service->syscalls, action);
}

int ps_service_privileges(char ***ret_names, size_t *ret_n)
{
    char **names = calloc(CAP_LAST_CAP + 1, sizeof(*names));
    size_t n = 0;

    if (!names)
        return -ENOMEM;
    capng_get_caps_process();
    for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
        const char *name;

        if (!capng_have_capability(CAPNG_EFFECTIVE, cap))
            continue;
        name = capng_capability_to_name(cap);
        names[n] = strdup(name ? name : "?");
        if (names[n])
            n++;
    }
    *ret_names = names;
    *ret_n = n;
    return 0;
}
