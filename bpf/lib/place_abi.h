/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef PS_BPF_PLACE_ABI_H
#define PS_BPF_PLACE_ABI_H

/* Places in the kernel's code; 0: not there, or not known. */
struct ps_places {
    /* skb_release_data() */
    unsigned long long release_from;
    unsigned long long release_to;
    /* Where a function goes back to, instead of to its caller, while others
     * watch its return: by rethook (5.18 to 6.13), otherwise. */
    unsigned long long rethook;
    unsigned long long trampolines[2];
};

#endif
