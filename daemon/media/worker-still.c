/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The photo sizes of liuhen-media (see worker-still.h).
 */
#include "media/worker-still.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/worker-probe.h"

void still_fill_rest(struct shrink *s)
{
    size_t stride = (size_t)s->into_width * s->channels;

    shrink_end(s);
    memset(s->result + stride * s->made, 0x80, stride * (s->into_height - s->made));
}

void still_on_white(const uint8_t *rgba, uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++, rgba += 4, rgb += 3) {
        unsigned a = rgba[3];

        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)((rgba[c] * a + 255 * (255 - a) + 127) / 255);
    }
}

static int read_picture(struct job *job, const struct form *form, uint32_t longest, struct picture *ret,
                        char why[STILL_WHY_MAX])
{
    if (strcmp(form->container, "jpeg") == 0)
        return jpeg_read_picture(&job->in, &job->facts, longest, ret, why);
    if (strcmp(form->container, "png") == 0)
        return png_read_picture(&job->in, &job->facts, longest, ret, why);
    return av_read_picture(&job->in, &job->facts, form, longest, ret, why);
}

/* EXIF of JPEG and PNG was met when the facts were gathered. */
static int orientation(struct job *job, const struct form *form)
{
    if (strcmp(form->container, "tiff") == 0)
        return tiff_orientation(&job->in);
    if (strcmp(form->container, "webp") == 0)
        webp_exif(&job->in, &job->facts);
    return job->facts.orientation;
}

int still_read_upright(struct job *job, const struct form *form, uint32_t longest, struct picture *ret,
                       char why[STILL_WHY_MAX])
{
    int r = read_picture(job, form, longest, ret, why);

    return r < 0 ? r : picture_orient(ret, orientation(job, form));
}

int still_derive(struct job *job, const struct form *form)
{
    uint32_t longest = picture_wanted(job);
    struct picture p = {0};
    char why[STILL_WHY_MAX] = "";
    int r;

    worker_probe(&job->in, &job->facts);
    if (longest == 0)
        return 0;
    r = read_picture(job, form, longest, &p, why);
    if (r == -EBADMSG) {
        picture_say_none(job, why);
        if (!facts_is_damaged(&job->facts))
            facts_damage(&job->facts, "%s", why);
        return 0;
    }
    if (r == 0)
        r = picture_orient(&p, orientation(job, form));
    if (r == 0)
        r = picture_write_sizes(job, &p, NULL);
    picture_done(&p);
    return r;
}
