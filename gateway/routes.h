/* SPDX-License-Identifier: MIT */
/*
 * The table of all that HTTP offers: requests are routed by it, and the
 * OpenAPI document is made of it. Nothing else knows a path.
 */
#ifndef PS_GATEWAY_ROUTES_H
#define PS_GATEWAY_ROUTES_H

#include <protobuf-c/protobuf-c.h>

#include "gateway/head.h"
#include "gateway/identity.h"
#include "gateway/spread.h"
#include "gateway/url.h"

#define PS_ROUTE_MAX_PARAMS 2

struct ps_gateway;
struct ps_http_request;

/* msg is the request's message, NULL where the route has none; borrowed. */
typedef void (*ps_local_fn)(struct ps_gateway *gateway,
                            struct ps_http_request *req,
                            const ProtobufCMessage *msg);

struct ps_route {
    enum ps_http_method method; /* GET serves HEAD too */
    const char *path;           /* "/api/v1/rules/{id}" */
    const char *id;             /* operationId: "getRule" */
    const char *service;        /* who answers: "guarder"; NULL: local */
    const char *bus_method;     /* "guarder.get_rule" */
    enum ps_spread spread;      /* to which instances of the service */
    ps_local_fn local;
    const ProtobufCMessageDescriptor *request; /* NULL: no parameters */
    /* Field of request that the JSON body fills: "" the whole message, NULL
     * none. What the path does not fill comes from the query, without body. */
    const char *body;
    const ProtobufCMessageDescriptor *reply; /* NULL: see type */
    /* Of a reply that is not JSON of a message; several: the request chooses,
     * and reply is what `local` asks the service for. */
    const char *type;
    unsigned int status; /* of success */
    enum ps_role role;
    bool change;
    /* Its answer of the last second may be given again, to anybody that the
     * role lets in (see ask_shared.c). */
    bool share;
    const char *summary;
    const char *description; /* NULL: none */
};

/* The table; ret_n entries. */
const struct ps_route *ps_routes(size_t *ret_n);

struct ps_route_match {
    const struct ps_route *route; /* NULL: none for this method */
    unsigned int allowed;         /* methods of this path; 0: no such path */
    const char *params[PS_ROUTE_MAX_PARAMS]; /* borrowed from the path */
};

void ps_route_find(enum ps_http_method method, const struct ps_path *path,
                   struct ps_route_match *ret_match);

/* Name of the n-th {parameter} of a template in name; false: no more. */
bool ps_route_param(const struct ps_route *route, size_t n, char *name,
                    size_t size);
/* "GET, HEAD, POST" of a set of methods. */
void ps_route_allow(unsigned int methods, char *text, size_t size);

#endif
