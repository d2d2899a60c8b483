/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a file is, by its first bytes alone; its name is never asked. Only what is named here is ever given to a demuxer, and
 * always to the one named.
 */
#ifndef LIUHEN_MEDIA_WORKER_SNIFF_H
#define LIUHEN_MEDIA_WORKER_SNIFF_H

#include "media/worker-facts.h"
#include "media/worker-input.h"

#define SNIFF_BYTES 4096

/* One known form of file. */
struct form {
    const char *container; /* our name */
    const char *kind;      /* what it is unless its streams say otherwise */
    const char *demuxer;   /* libav's name; NULL: not given to libav */
    /* Looks at the structure without libav; true: libav is to be asked as well. NULL: nothing to look at. */
    bool (*inspect)(struct input *in, struct facts *f);
};

/* Whether nothing here can look at it: it is for liuhen-stills. NULL: no. */
static inline bool form_is_elsewhere(const struct form *form)
{
    return form && !form->demuxer && !form->inspect;
}

/* Return: the form, or NULL when it is none we know. */
const struct form *sniff(struct input *in);

#endif
