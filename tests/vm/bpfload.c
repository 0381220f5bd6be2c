/* SPDX-License-Identifier: MIT */
/*
 * bpfload OBJECT...: loads each program of each object alone, and attaches it
 * where that needs no target. For developers, on a kernel in a VM:
 *
 *   OBJECT PROGRAM ok | no-attach ERROR | no-load ERROR, then the log's end
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MAX (1u << 20)

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

static void load_one(const char *path, const char *name, char *log)
{
    struct bpf_object *obj = bpf_object__open_file(path, NULL);
    struct bpf_program *prog, *one = NULL;
    struct bpf_link *link;
    int rc;

    if (!obj)
        return;
    bpf_object__for_each_program(prog, obj) {
        bool this = strcmp(bpf_program__name(prog), name) == 0;

        bpf_program__set_autoload(prog, this);
        if (this)
            one = prog;
    }
    log[0] = '\0';
    if (one)
        bpf_program__set_log_buf(one, log, LOG_MAX);
    rc = bpf_object__load(obj);
    if (rc < 0) {
        printf("%s %s no-load %s\n", path, name, strerror(-rc));
        print_tail(log);
    } else {
        link = bpf_program__attach(one);
        if (link)
            printf("%s %s ok\n", path, name);
        else
            printf("%s %s no-attach %s\n", path, name, strerror(errno));
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
