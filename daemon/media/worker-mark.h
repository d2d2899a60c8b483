/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The mark of a released copy: who got it, when and why, over all of the picture, so that it can be told whose copy went astray.
 */
#ifndef LIUHEN_MEDIA_WORKER_MARK_H
#define LIUHEN_MEDIA_WORKER_MARK_H

#include <libavutil/frame.h>

#include "media/redaction.h"

struct mark {
    int width, height;            /* of the tile; 0: there is no mark */
    uint8_t *white;               /* coverage of the letters … */
    uint8_t *dark;                /* … and of the rim around them */
    unsigned opacity;             /* of 256 */
    const struct redaction *plan; /* what it spares; borrowed */
};

/* Reads "mark.gray" as the plan's copy.mark describes it and fits it to a picture. Nothing asked for: an empty mark. Return: 0, -EINVAL (err), -ENOMEM. */
int mark_init(struct mark *m, const json_t *plan, const struct redaction *spare, int width, int height,
              struct error *err);
void mark_done(struct mark *m);
/* Blends it into an upright YUV 4:2:0 picture, in place. */
void mark_picture(const struct mark *m, AVFrame *frame, int64_t at_usec);

#endif
