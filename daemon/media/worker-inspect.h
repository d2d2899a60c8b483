/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Structure checks, one a form (see struct form): they see what demuxers pass over, above all that a file ends too early.
 * Each reads a bounded part of the file. Return of each: whether libav should be asked as well.
 */
#ifndef LIUHEN_MEDIA_WORKER_INSPECT_H
#define LIUHEN_MEDIA_WORKER_INSPECT_H

#include "media/worker-facts.h"
#include "media/worker-input.h"

bool inspect_boxes(struct input *in, struct facts *f); /* any ISO file: its boxes */
bool inspect_mp4(struct input *in,
                 struct facts *f); /* MP4, MOV, 3GP: also what the index claims (worker-samples.c) */
bool inspect_riff(struct input *in, struct facts *f);   /* AVI, WAV */
bool inspect_ebml(struct input *in, struct facts *f);   /* Matroska, WebM */
bool inspect_mpegts(struct input *in, struct facts *f); /* 188, 192 and 204 byte packets */
bool inspect_dhav(struct input *in, struct facts *f);   /* Dahua recorders */
bool inspect_jpeg(struct input *in, struct facts *f);
bool inspect_png(struct input *in, struct facts *f);
bool inspect_pdf(struct input *in, struct facts *f);

/* Packet size of a transport stream and where its first whole packet begins; 0 when it is none. */
size_t mpegts_packet_size(const uint8_t *head, size_t size, size_t *ret_start);

/* Walks the boxes of an ISO file: damage for what reaches past its end. The bits say what was met. */
enum { BOX_MOOV = 1, BOX_MDAT = 2, BOX_MOOF = 4, BOX_META = 8 };
unsigned boxes_walk(struct input *in, struct facts *f);

/* A part of the file: what stands in a box. */
struct box_range {
    uint64_t at, size;
};
/* The first box of a type (four letters) among those in a part; box_next: one after the other, type is filled. */
bool box_find(struct input *in, struct box_range within, const char *type, struct box_range *ret);
bool box_next(struct input *in, struct box_range *rest, char type[4], struct box_range *ret);

/* A second recording behind the first in one file (worker-moov.c). What is there of it cannot be decoded by the first's header: that is said,
 * and nothing reads on beyond at. */
void second_recording(struct input *in, struct facts *f, uint64_t at);
/* Whether two parts of the file hold the same bytes. */
bool same_bytes(struct input *in, struct box_range a, struct box_range b);

/* What cameras write into the user data of an ISO file (moov/udta) and libav does not read (worker-udta.c). */
void udta_facts(struct input *in, struct facts *f);

/* XMP's packet, and Photoshop's image resources with IPTC in them (JPEG APP13): only what EXIF has not said (worker-xmp.c). */
void xmp_facts(struct facts *f, const char *text, size_t size);
void iptc_facts(struct facts *f, const uint8_t *resources, size_t size);

/* EXIF as it stands in JPEG APP1, PNG eXIf and HEIF items. data begins with the TIFF header. */
void exif_facts(struct facts *f, const uint8_t *tiff, size_t size);

#endif
