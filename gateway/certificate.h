/* SPDX-License-Identifier: MIT */
/* The gateway's certificate, from its options to being in force. */
#ifndef PS_GATEWAY_CERTIFICATE_H
#define PS_GATEWAY_CERTIFICATE_H

struct ps_gateway;

/* While privileged: a key of root's can be read. 0 also without TLS. Logs. */
int ps_certificate_open(struct ps_gateway *gateway);
/* Unprivileged: puts it in force, and says if it cannot be renewed so. */
void ps_certificate_start(struct ps_gateway *gateway);
/* Reads it again; what cannot be used leaves the old one in force. */
void ps_certificate_reload(struct ps_gateway *gateway);
void ps_certificate_sample(struct ps_gateway *gateway);

#endif
