/*
 * config_internal.h - shared by the files of config/ only.
 */
#ifndef CONFIG_CONFIG_INTERNAL_H
#define CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"

/* Check and remember one override; tenant and name already live in the arena. */
MUST_CHECK enum status config_add_override(struct config *c, struct override o, struct err *err);

/* Is there such a setting, and is it one value and not a list? `section` is empty at the top level.
 */
bool config_is_scalar(struct str section, struct str name);

/* Is it the section of at least one setting? */
bool config_has_section(struct str name);

/* Is it a setting whose value is a list of rules (retention_rules.h)? */
bool config_takes_rules(struct str section, struct str name);

#endif
