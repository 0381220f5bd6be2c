/* SPDX-License-Identifier: MIT */
/*
 * What outlives the daemon: bpffs files in /sys/fs/bpf/packetscope/TAG/, where
 * TAG is made of the run directory, so that two suites do not meet.
 *
 *   map_NAME      the maps of the skeleton
 *   link_IFINDEX  the attachment to an interface
 */
#ifndef PS_GUARDER_PINS_H
#define PS_GUARDER_PINS_H

#include "common/util.h"

#define PS_PINS_ROOT "/sys/fs/bpf"

struct ps_pins {
    int dir_fd; /* -1: nothing can be pinned */
    char path[64];
    char reason[160];
};

/* 16 hexadecimal digits for a run directory, which need not exist. */
void ps_pins_tag(const char *run_dir, char ret_tag[17]);

/*
 * Mounts bpffs where it is missing and opens, or makes, the directory; gives
 * it to the owner of state_dir and to our group, so that pinning works after
 * the drop. Never fails: pins->reason says what is wrong then.
 */
void ps_pins_open(const char *run_dir, const char *state_dir,
                  struct ps_pins *ret_pins);
/* Removes the directory if nothing is in it. */
void ps_pins_close(struct ps_pins *pins);

/* A descriptor of the object, or -ENOENT, -errno. */
int ps_pins_get(const struct ps_pins *pins, const char *name);
/* Replaces what has this name. */
int ps_pins_put(const struct ps_pins *pins, const char *name, int fd);
void ps_pins_remove(const struct ps_pins *pins, const char *name);
/* Interfaces that have a link_ file; at most max. */
size_t ps_pins_links(const struct ps_pins *pins, uint32_t *ifindexes,
                     size_t max);

/*
 * Takes the enforcement of this run directory off: detaches its links and
 * removes its files. Right, too, where nothing is there. ret_n: links.
 */
int ps_pins_flush(const char *run_dir, size_t *ret_n);

#endif
