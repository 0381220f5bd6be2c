/* SPDX-License-Identifier: MIT */
/*
 * bpfload OBJECT...: loads each program of each object alone, and attaches it
 * where that needs no target. For developers, on a kernel in a VM:
 *
 *   OBJECT PROGRAM ok | no-attach ERROR | no-load ERROR, then the log's end
 *
 * and how many instructions the verifier went through, in what time.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOG_MAX   (1u << 20)
#define LOG_ALL   1
#define LOG_STATS 4

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    (void)level;
    (void)fmt;
    (void)ap;
    return 0;
}

static void print_tail(const char *log)
{
    size_t lines = 0;
    const char *at = log + strlen(log);

    while (at > log && lines < 12) {
        if (*--at == '\n')
            lines++;
    }
    printf("%s\n", at);
}

/* Loads one program of the object alone; level: of the verifier's log. The
 * object is NULL when it did not load. */
static struct bpf_object *load(const char *path, const char *name,
                               unsigned int level, char *log,
                               struct bpf_program **ret_one)
{
    struct bpf_object *obj = bpf_object__open_file(path, NULL);
    struct bpf_program *prog;
    int rc;

    if (!obj)
        return NULL;
    *ret_one = NULL;
    bpf_object__for_each_program(prog, obj) {
        bool this = strcmp(bpf_program__name(prog), name) == 0;

        bpf_program__set_autoload(prog, this);
        if (this)
            *ret_one = prog;
    }
    log[0] = '\0';
    bpf_program__set_log_buf(*ret_one, log, LOG_MAX);
    bpf_program__set_log_level(*ret_one, level);
    rc = bpf_object__load(obj);
    if (rc == 0)
        return obj;
    bpf_object__close(obj);
    errno = -rc;
    return NULL;
}

static long milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What was verified, global functions too. */
static unsigned long processed(const char *log)
{
    const char *at = log;
    unsigned long n = 0;

    while ((at = strstr(at, "processed "))) {
        at += strlen("processed ");
        n += strtoul(at, NULL, 10);
    }
    return n;
}

static void load_one(const char *path, const char *name, char *log)
{
    long begin = milliseconds();
    struct bpf_program *one;
    struct bpf_object *obj = load(path, name, LOG_STATS, log, &one);
    struct bpf_link *link;

    if (!obj) {
        obj = load(path, name, LOG_ALL, log, &one);
        printf("%s %s no-load %s\n", path, name, strerror(errno));
        print_tail(log);
    } else {
        printf("%s %s ", path, name);
        link = bpf_program__attach(one);
        if (link)
            printf("ok");
        else
            printf("no-attach %s", strerror(errno));
        printf(" (%lu instructions, %ld ms)\n", processed(log),
               milliseconds() - begin);
        bpf_link__destroy(link);
    }
    fflush(stdout);
    bpf_object__close(obj);
}

int main(int argc, char **argv)
{
    char *log = malloc(LOG_MAX);

    if (!log)
        return 1;
    libbpf_set_print(silent);
    for (int i = 1; i < argc; i++) {
        struct bpf_object *obj = bpf_object__open_file(argv[i], NULL);
        struct bpf_program *prog;

        if (!obj) {
            printf("%s no-open %s\n", argv[i], strerror(errno));
            continue;
        }
        bpf_object__for_each_program(prog, obj) {
            load_one(argv[i], bpf_program__name(prog), log);
        }
        bpf_object__close(obj);
    }
    free(log);
    return 0;
}
