/* SPDX-License-Identifier: MIT */
/*
 * RCU grace periods are made short for a moment, as the kernel does by itself
 * while it boots: putting programs and taking thousands of probes away waits
 * for one for each.
 *
 * That it is so is noted in a file before, and the file goes when it is over:
 * what a killed daemon left is put right by the next one that starts. What
 * cannot be noted is not done.
 */
#ifndef PS_TRACER_EXPEDITE_H
#define PS_TRACER_EXPEDITE_H

#include "common/util.h"

struct ps_expedite;

/*
 * Opens the kernel's setting, with privileges, and puts right what was left.
 * root: "" but in tests; state_dir: where the note goes. Where the setting
 * cannot be written begin and end do nothing.
 */
int ps_expedite_open(const char *root, const char *state_dir,
                     struct ps_expedite **ret_expedite);
/* Ends it too. */
void ps_expedite_free(struct ps_expedite **expedite);

void ps_expedite_begin(struct ps_expedite *expedite);
void ps_expedite_end(struct ps_expedite *expedite);

#endif
