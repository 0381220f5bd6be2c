/* SPDX-License-Identifier: MIT */
/* Errors as application/problem+json (RFC 9457). */
#ifndef PS_GATEWAY_PROBLEM_H
#define PS_GATEWAY_PROBLEM_H

#include <jansson.h>

#include "common/types.h"
#include "gateway/http.h"

/*
 * id is stable and dotted ("rule.not_found"); the console translates by it
 * with params. All texts are borrowed; field may be NULL.
 */
struct ps_problem {
    const char *id;
    unsigned int status;
    const char *detail;
    const char *field;
    size_t n_params;
    Ps__Param **params;
};

/* A new reference, or NULL without memory. */
json_t *ps_problem_json(const struct ps_problem *problem);

/* Answers a request with it; fields (may be NULL) are added. */
void ps_problem_reply(struct ps_http_request *req,
                      const struct ps_problem *problem,
                      const struct ps_http_field *fields);
/* The same with one sentence made by fmt. field may be NULL. */
void ps_problem_fail(struct ps_http_request *req, unsigned int status,
                     const char *id, const char *field, const char *fmt, ...)
    _printf_(5, 6);

/* Answers 200 (or another status) with JSON; takes the reference, NULL is
 * answered as 500. */
void ps_json_reply(struct ps_http_request *req, unsigned int status,
                   const char *type, json_t *json);

#endif
