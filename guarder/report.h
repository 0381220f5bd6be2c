/* SPDX-License-Identifier: MIT */
/* What the daemon says of itself: capabilities, events, metrics, losses. */
#ifndef PS_GUARDER_REPORT_H
#define PS_GUARDER_REPORT_H

#include "guarder/guarder.h"

void ps_guarder_report_capabilities(struct ps_guarder *g);
/* Once, when the rules are in force. */
void ps_guarder_report_start(struct ps_guarder *g);
void ps_guarder_report_sample(struct ps_guarder *g);
/* For ps_attachments_new(): one event for each change; arg is the state. */
void ps_guarder_on_attach(void *arg, enum ps_attach_change change,
                          const struct ps_attached *iface);
/* "guarder.rule_added", ... with the actor who asked. */
void ps_guarder_report_rule(struct ps_guarder *g, const char *id,
                            const char *what, const struct ps_rule *rule,
                            const char *actor);

#endif
