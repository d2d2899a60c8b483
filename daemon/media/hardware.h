/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether the hardware that the settings name can be used: tried once, by the locked program itself, with a tiny job.
 */
#ifndef LIUHEN_MEDIA_HARDWARE_H
#define LIUHEN_MEDIA_HARDWARE_H

#include <stdbool.h>

struct hardware {
    const char *name;  /* "vaapi", "cuda", "qsv"; NULL: software */
    char message[300]; /* what is so: "none", "vaapi", or why the named one is not used */
};

/* name: of the settings, must outlive *ret; "none" is not tried. path: of liuhen-media. Never fails: what does not work is software. */
void hardware_try(const char *path, const char *name, struct hardware *ret);

#endif
