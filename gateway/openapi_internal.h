/* SPDX-License-Identifier: MIT */
/* What the parts of the OpenAPI document share. References are new; what
 * jansson cannot allocate is NULL, which its setters pass on as failures. */
#ifndef PS_GATEWAY_OPENAPI_INTERNAL_H
#define PS_GATEWAY_OPENAPI_INTERNAL_H

#include <jansson.h>

#include "common/json.h"
#include "gateway/routes.h"

/* {"$ref": "#/components/schemas/NAME"} */
json_t *ps_openapi_ref(const char *name);
/* The part of the request that the JSON body is; NULL: none. */
const ProtobufCMessageDescriptor *ps_openapi_body(const struct ps_route *route);

/* ---- openapi_schema.c --------------------------------------------------- */

/* Schemas of all messages that routes and events use. */
json_t *ps_openapi_schemas(const json_t *comments);
/* Schema of a parameter: the field's, with its comment and bounds. */
json_t *ps_openapi_field(const ProtobufCMessageDescriptor *desc,
                         const ProtobufCFieldDescriptor *field,
                         const json_t *comments);

/* ---- openapi_bounds.c --------------------------------------------------- */

/* Adds to a field's schema what the daemons enforce beside its type. */
void ps_openapi_bound(const char *message, const char *field, json_t *schema);
/* True where the daemons want a field that the schema leaves open. */
bool ps_openapi_wanted(const char *message, const char *field);

/* ---- openapi_errors.c --------------------------------------------------- */

/* Adds the responses of all errors that a route can answer. */
void ps_openapi_errors(const struct ps_route *route, json_t *responses);
/* Components that these responses refer to. */
json_t *ps_openapi_responses(void);
json_t *ps_openapi_problem_schema(void);
/* {"description": …, "schema": …} of a header. */
json_t *ps_openapi_header(const char *description, const char *type);

/* ---- openapi_operation.c ------------------------------------------------ */

bool ps_openapi_in_path(const struct ps_route *route, const char *name);
/* A field that a URL's query carries. */
bool ps_openapi_in_query(const struct ps_route *route,
                         const ProtobufCFieldDescriptor *field);
/* examples: {"createRule": {"request": …}}. */
json_t *ps_openapi_operation(const struct ps_route *route,
                             const json_t *comments, const json_t *examples);

#endif
