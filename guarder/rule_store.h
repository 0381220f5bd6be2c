/* SPDX-License-Identifier: MIT */
/*
 * The rules on disk. What stands here is the truth: the kernel is made to
 * agree with it at each start.
 */
#ifndef PS_GUARDER_RULE_STORE_H
#define PS_GUARDER_RULE_STORE_H

#include "common/store.h"
#include "guarder/ruleset.h"

/* guarder.db in dir. ret_error: a sentence, owned by the caller. */
int ps_rule_store_open(const char *dir, struct ps_store **ret_store,
                       char **ret_error);

/*
 * Reads all rules, checking each as if a user had sent it.
 * -EBADMSG: a row that cannot be a rule; nothing is guessed or skipped.
 */
int ps_rule_store_load(struct ps_store *store, struct ps_ruleset **ret_set,
                       char **ret_error);

/*
 * Makes the store hold exactly this set, in one transaction that is on the
 * disk when it returns. -ENOSPC: the file is full.
 */
int ps_rule_store_save(struct ps_store *store, const struct ps_ruleset *set);

/* Writes down the totals, one for each rule of the set, and sets `saved`. */
int ps_rule_store_checkpoint(struct ps_store *store, struct ps_ruleset *set,
                             const struct ps_rule_hits *totals);

/* One row's rule from its packed message. For load and fuzzing. */
int ps_rule_unpack(const uint8_t *data, size_t len, struct ps_rule *ret_rule,
                   struct ps_rule_error *error);

#endif
