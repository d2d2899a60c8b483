/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Applying the acts of devices (see apply.c).
 */
#include "catalogue/apply-internal.h"

const struct apply_handler apply_device_handlers[] = {
    {NULL, NULL, NULL},
};
