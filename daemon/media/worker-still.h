/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Photos in liuhen-media: JPEG through libjpeg, which decodes to an eighth where that is enough and row by row, so that the size of the
 * picture does not matter; the others through libav, up to a bound. (HEIC: liuhen-stills.)
 */
#ifndef LIUHEN_MEDIA_WORKER_STILL_H
#define LIUHEN_MEDIA_WORKER_STILL_H

#include "media/worker-picture.h"
#include "media/worker-shrink.h"
#include "media/worker-sniff.h"

#define STILL_WHY_MAX 160

/* The facts of a photo and the sizes of the plan; what is broken becomes damage, and why there is none a message of the
 * files. Return: 0, or what ends the verb (see worker-verbs.h). */
int still_derive(struct job *job, const struct form *form);

/* The photo itself, upright, with its longer side at most `longest`. Return: as of the parts below. */
int still_read_upright(struct job *job, const struct form *form, uint32_t longest, struct picture *ret,
                       char why[STILL_WHY_MAX]);

/* Its parts. Each decodes a picture, not turned yet, whose longer side is `longest`, or its own when that is shorter. Return: 0 (damage is noted
 * in facts), -EBADMSG (nothing can be shown; why says it), -ENOMEM. */
int jpeg_read_picture(struct input *in, struct facts *f, uint32_t longest, struct picture *ret,
                      char why[STILL_WHY_MAX]);
int png_read_picture(struct input *in, struct facts *f, uint32_t longest, struct picture *ret,
                     char why[STILL_WHY_MAX]);
int av_read_picture(struct input *in, struct facts *f, const struct form *form, uint32_t longest,
                    struct picture *ret, char why[STILL_WHY_MAX]);

/* The rows that never came are gray. */
void still_fill_rest(struct shrink *s);
/* RGBA on white, to RGB; may be done in place. */
void still_on_white(const uint8_t *rgba, uint8_t *rgb, size_t pixels);

/* Orientation (1 – 8) as the tags of a TIFF file say it, 0 when they do not. Pure. */
int tiff_orientation(struct input *in);
/* The EXIF chunk of a WebP file is read into facts. */
void webp_exif(struct input *in, struct facts *f);
/* The first picture of an animated WebP as a WebP file of its own (libav does not know animations). Return: 1 (new memory), 0 (not animated, or
 * broken), -ENOMEM. */
int webp_first_picture(struct input *in, uint8_t **ret, size_t *ret_size);

#endif
