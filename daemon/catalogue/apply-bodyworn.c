/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Applying the acts of body-worn systems (see apply.c).
 */
#include "catalogue/apply-internal.h"

const struct apply_handler apply_bodyworn_handlers[] = {
    {NULL, NULL, NULL},
};
