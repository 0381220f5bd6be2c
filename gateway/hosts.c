/* SPDX-License-Identifier: MIT */
/* GET hosts/{ip}: one address, asked of all daemons at once. */
#include "common/json.h"
#include "gateway/gateway.h"
#include "gateway/local.h"

/* The questions; key is where the answer stands in ps.HostReport. */
static const struct question {
    const char *service, *method;
    const ProtobufCMessageDescriptor *request, *reply;
    const char *field; /* of the request: the address */
    const char *key;
    enum ps_spread spread;
} questions[] = {
    {"tracer", "tracer.list_sockets", &ps__list_sockets_request__descriptor,
     &ps__socket_list__descriptor, "addr", "sockets", PS_SPREAD_ONE},
    {"analyzer", "analyzer.list_flows", &ps__list_flows_request__descriptor,
     &ps__flow_list__descriptor, "addr", "flows", PS_SPREAD_ONE},
    {"locator", "locator.get_geo", &ps__geo_request__descriptor,
     &ps__place__descriptor, "ip", "place", PS_SPREAD_ANY},
    {"locator", "locator.list_paths", &ps__list_paths_request__descriptor,
     &ps__path_list__descriptor, "target", "paths", PS_SPREAD_MERGE},
    {"guarder", "guarder.list_rules", &ps__list_rules_request__descriptor,
     &ps__rule_list__descriptor, "addr", "rules", PS_SPREAD_ONE},
};

struct report {
    struct ps_http_request *req;
    json_t *json, *missing;
    size_t open;
    struct part {
        struct report *report;
        const struct question *question;
    } parts[ARRAY_SIZE(questions)];
};

static void report_end(struct report *report)
{
    json_object_set(report->json, "missing", report->missing);
    json_decref(report->missing);
    ps_json_reply(report->req, 200, "application/json", report->json);
    free(report);
}

/* One entry for a daemon, whatever it was asked. */
static void add_missing(struct report *report, const char *service,
                        const char *reason)
{
    json_t *entry;
    size_t i;

    json_array_foreach(report->missing, i, entry)
    {
        if (ps_streq(json_string_value(json_object_get(entry, "service")),
                     service))
            return;
    }
    json_array_append_new(
        report->missing,
        json_pack("{s:s, s:s}", "service", service, "reason", reason));
}

static void on_part(void *arg, int result, const ProtobufCMessage *reply,
                    const Ps__Error *error)
{
    struct part *part = arg;
    struct report *report = part->report;
    char reason[512];

    if (result == 0) {
        json_object_set_new(report->json, part->question->key,
                            ps_json_from_message(reply));
    } else {
        ps_api_reason(part->question->service, result, error, reason,
                      sizeof(reason));
        add_missing(report, part->question->service, reason);
    }
    if (--report->open == 0)
        report_end(report);
}

static int ask_part(struct ps_gateway *gateway, struct part *part,
                    const char *ip)
{
    const struct question *q = part->question;
    ProtobufCMessage *msg = NULL;
    struct ps_json_error error;
    struct ps_ask ask = {
        .method = q->method,
        .reply = q->reply,
        .timeout_ns = gateway->config->host_timeout,
        .actor = part->report->req->who->name,
        .client = part->report->req->client,
    };
    int r;

    msg = ps_message_new(q->request);
    if (!msg)
        return -ENOMEM;
    r = ps_json_set_field(msg, q->field, ip, &error);
    ask.request = msg;
    if (r == 0)
        r = ps_spread_call(gateway->peers, q->spread, q->service, &ask, on_part,
                           part);
    protobuf_c_message_free_unpacked(msg, NULL);
    return r;
}

void ps_local_host(struct ps_gateway *gateway, struct ps_http_request *req,
                   const ProtobufCMessage *msg)
{
    struct report *report = calloc(1, sizeof(*report));
    Ps__HostReport head = PS__HOST_REPORT__INIT;
    Ps__Time now = PS__TIME__INIT;
    const char *ip;

    now.unix_ns = ps_now_ns();
    head.ip = ((const Ps__HostRequest *)msg)->ip;
    head.time = &now;
    if (report)
        report->json = ps_json_from_message(&head.base);
    if (!report || !report->json) {
        free(report);
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for this answer.");
        return;
    }
    report->req = req;
    report->missing = json_array();
    ip = json_string_value(json_object_get(report->json, "ip"));
    /* One more than the questions: all are asked before the end comes. */
    report->open = ARRAY_SIZE(questions) + 1;
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
        int r;

        report->parts[i] = (struct part){report, &questions[i]};
        r = ask_part(gateway, &report->parts[i], ip);
        if (r < 0)
            on_part(&report->parts[i], r, NULL, NULL);
    }
    if (--report->open == 0)
        report_end(report);
}
