/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A HEIF file opened through libheif (stills-heif.c), for its facts and for its pixels.
 */
#ifndef LIUHEN_MEDIA_STILLS_HEIF_H
#define LIUHEN_MEDIA_STILLS_HEIF_H

#include <libheif/heif.h>

#include "media/worker-facts.h"
#include "media/worker-input.h"

struct heif_file {
    struct input *in;
    int64_t at; /* where libheif reads next */
    struct heif_context *context;
    struct heif_image_handle *primary;
};

/* Opens it and gathers its facts as a probe says them; primary is NULL when there is no picture to be had, which is damage. */
void heif_file_open(struct heif_file *h, struct input *in, struct facts *f);
void heif_file_close(struct heif_file *h);

/* Whether libheif refused a picture for its size; then why says so. */
bool heif_says_size(const struct heif_error *e, char *why, size_t why_size);

#endif
