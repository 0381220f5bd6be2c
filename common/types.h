/* SPDX-License-Identifier: MIT */
/* The generated messages, by one name. */
#ifndef PS_COMMON_TYPES_H
#define PS_COMMON_TYPES_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "analyzer.pb-c.h"
#include "envelope.pb-c.h"
#include "gateway.pb-c.h"
#include "guarder.pb-c.h"
#include "locator.pb-c.h"
#include "service.pb-c.h"
#include "tracer.pb-c.h"
#include "types.pb-c.h"
#pragma GCC diagnostic pop

/* Version of the envelope and of all messages; see Envelope.schema. */
#define PS_SCHEMA 1

#endif
