/* SPDX-License-Identifier: MIT */
/* The comments of the schemas, which the build keeps in the program. */
#ifndef PS_GATEWAY_COMMENTS_H
#define PS_GATEWAY_COMMENTS_H

#include <jansson.h>

/*
 * {"ps.Rule": {"": of the message, "priority": of the field}, …}; enums and
 * their values stand there too. A new reference, or NULL without memory.
 */
json_t *ps_comments_load(void);

#endif
