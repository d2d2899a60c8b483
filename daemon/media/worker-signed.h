/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signed video by what stands in one access unit (worker-signed.c); pure, for its tests and fuzzer.
 */
#ifndef LIUHEN_MEDIA_WORKER_SIGNED_H
#define LIUHEN_MEDIA_WORKER_SIGNED_H

#include <stddef.h>
#include <stdint.h>

enum signed_codec { SIGNED_H264, SIGNED_HEVC };

/* nal_bytes: length of the lengths before each NAL unit (1 – 4), 0 = start codes (Annex B). Return: "onvif", "axis", or NULL. */
const char *signed_find(enum signed_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size);

#endif
