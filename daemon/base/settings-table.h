/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of settings and what belongs to it; shared by the settings-*.c files only.
 */
#ifndef LIUHEN_BASE_SETTINGS_TABLE_H
#define LIUHEN_BASE_SETTINGS_TABLE_H

#include "base/settings.h"

extern const struct config_table settings_table;
extern const char *const settings_role_names[];     /* ROLE_COUNT and NULL */
extern const char *const settings_after_names[];    /* by enum folder_after, and NULL */
extern const char *const settings_hardware_names[]; /* none, vaapi, cuda, qsv */

/* Rules between keys: folders apart from each other and from the archive, unique names, socket path short enough. root: the file's
 * tree for line numbers, or NULL. Faults are reported. */
void settings_check(const struct settings *s, const struct yaml_node *root, struct yaml_faults *faults);

#endif
