/* SPDX-License-Identifier: MIT */
/* The OpenAPI 3.1 document, made of the route table and the descriptors. */
#ifndef PS_GATEWAY_OPENAPI_H
#define PS_GATEWAY_OPENAPI_H

#include <jansson.h>

/* A new reference, or NULL without memory. */
json_t *ps_openapi_document(void);

#endif
