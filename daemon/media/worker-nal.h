/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How H.264 and HEVC are cut into units: by start codes (ITU-T H.264 and H.265, annex B) or with the length before each (ISO/IEC 14496-15).
 */
#ifndef LIUHEN_MEDIA_WORKER_NAL_H
#define LIUHEN_MEDIA_WORKER_NAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavcodec/avcodec.h>

/* The next start code (three bytes) from at on. Return: its place, or size. */
size_t nal_next(const uint8_t *data, size_t size, size_t at);
/* How long lengths are, by avcC (§5.3.3.1) and hvcC (§8.3.3.1). Return: 1 – 4; 0: there are start codes. */
unsigned nal_length_bytes(const AVCodecParameters *c);

/* Whether an H.264 packet can be copied into an MP4 that has the stream's extradata in its header: its units fill it (§5.3.3; nothing to be
 * checked where start codes part them), and each parameter set in it stands in the header too. Players go by the header; another set
 * in the data (a camera that changed its size, recordings put together) they obey or not. */
bool nal_fits_header(const AVCodecParameters *c, const uint8_t *data, size_t size);

#endif
