/* SPDX-License-Identifier: MIT */
/* What the targets share: a promise that does not hold is a crash, also in a
 * build without assert(). */
#ifndef PS_TESTS_FUZZ_H
#define PS_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(what)                                                  \
    do {                                                               \
        if (!(what)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                   \
        }                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
