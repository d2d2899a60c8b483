/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the handlers of acts share (apply.c, apply-*.c): the act at hand and its facts as parameters of SQL.
 */
#ifndef LIUHEN_CATALOGUE_APPLY_INTERNAL_H
#define LIUHEN_CATALOGUE_APPLY_INTERNAL_H

#include "catalogue/act.h"
#include "catalogue/sql.h"

struct applying {
    struct db *db;
    int64_t leaf;
    const struct act *act;
    json_t *facts;
    struct error *err;
};

/* ACT_E_REFUSED with why. */
int apply_refuse(const struct applying *c, const char *format, ...) _printf_(2, 3);
/* A text fact; NULL when absent. */
const char *apply_text(const struct applying *c, const char *key);
/* Integer fact as a nullable parameter: NULL when absent. */
const int64_t *apply_number(const json_t *facts, const char *key, int64_t *storage);
/* A member's canonical text, NULL when absent. */
int apply_member_text(const struct applying *c, const char *key, char **ret);

/* apply-devices.c: counts an arrival for the device that delivered it, named by device_id or, by drop folders, by its serial. */
int apply_device_arrival(const struct applying *c, const json_t *arrival);

extern const struct apply_handler {
    const char *kind;
    int (*apply)(const struct applying *c);
    const char *object; /* the fact that names the other thing it is about */
} apply_device_handlers[], apply_bodyworn_handlers[], apply_disposal_handlers[]; /* end with kind NULL */

#endif
