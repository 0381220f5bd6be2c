/* SPDX-License-Identifier: MIT */
/* cmocka, with what it wants included before it. */
#ifndef PS_TESTS_GATEWAY_T_H
#define PS_TESTS_GATEWAY_T_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/util.h"

#endif
