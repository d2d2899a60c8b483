/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A small picture as both locked programs have it in hand once it is decoded: 8 bit RGB, meant as sRGB, few megabytes at most. It is turned
 * upright and written as JPEG; nothing of the original's own texts (EXIF, GPS, thumbnails, profiles) goes along.
 */
#ifndef LIUHEN_MEDIA_WORKER_PICTURE_H
#define LIUHEN_MEDIA_WORKER_PICTURE_H

#include "media/worker-verbs.h"

#define PICTURE_SIDE_MAX 8192u

struct picture {
    uint32_t width, height;
    uint8_t *rgb;        /* width × height × 3, without padding; owned */
    const char *comment; /* what is said in the file (COM, ITU-T T.81 B.2.4.5); borrowed; or NULL */
};

void picture_done(struct picture *p);

/* Turns and mirrors as an EXIF orientation (1 – 8; CIPA DC-008 §4.6.4) asks for; any other value changes nothing. Return: 0 or -ENOMEM. */
int picture_orient(struct picture *p, int orientation);

/* From an ICC profile that came with the pixels (channels 1 gray, 3 RGB, 4 CMYK as ink: 255 is full) to sRGB. A profile that is broken or is for
 * other pixels changes nothing. `out` gets 3 bytes a pixel and may be `in` when channels is 3. Return: whether it was done. */
bool picture_to_srgb(const void *profile, size_t size, const uint8_t *in, unsigned channels, uint8_t *out,
                     size_t pixels);
/* From the primaries and the white point of ITU-T H.273 (red, green, blue, white: x and y of each) with the curve of sRGB, to sRGB. */
void picture_from_primaries(struct picture *p, const double xy[8]);

/* Writes one file of the plan and says that it is whole. message: what has to be known of it, or NULL. Return: 0, -EFBIG, -ENOSPC, -EIO, -ENOMEM. */
int picture_write(struct job *job, const struct picture *p, const char *name, const char *message);
/* Any other file that is in memory. */
int job_write_file(struct job *job, const char *name, const void *data, size_t size);

/* The longest side that the plan's photo sizes ask for; 0: none. */
uint32_t picture_wanted(const struct job *job);
/* Why there is none of them. */
void picture_say_none(struct job *job, const char *why);
/* Makes "photo-large.jpg" and "photo-small.jpg", where the plan has them. */
int picture_write_sizes(struct job *job, const struct picture *p, const char *message);

#endif
