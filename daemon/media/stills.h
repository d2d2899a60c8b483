/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The verbs of liuhen-stills, and what they share. See worker-verbs.h for the frame.
 */
#ifndef LIUHEN_MEDIA_STILLS_H
#define LIUHEN_MEDIA_STILLS_H

#include "media/worker-picture.h"
#include "media/worker-verbs.h"

int stills_photo(struct job *job);  /* stills-photo.c: HEIC and AVIF to JPEG sizes */
int stills_pages(struct job *job);  /* stills-pages.c: the first pages of a PDF */
int stills_letter(struct job *job); /* stills-letter.c: lines of text to coverage */

/* Before the lock: the codecs of libheif, which may be plugins; fontconfig's settings and caches. No thread is started. */
int stills_prepare_codecs(struct job *job);
int stills_prepare_fonts(struct job *job);

#endif
