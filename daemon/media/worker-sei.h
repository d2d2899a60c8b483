/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What cameras put between the pictures of H.264 and HEVC: SEI messages "user data unregistered" (worker-sei.c), whose first 16 bytes name
 * whose they are, and what they say: when and where AVCHD recorded (worker-mdpm.c), signatures (worker-signed.c). Pure but for
 * sei_nal_bytes, for tests and fuzzers.
 */
#ifndef LIUHEN_MEDIA_WORKER_SEI_H
#define LIUHEN_MEDIA_WORKER_SEI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/worker-facts.h"

#define SEI_UUID_BYTES 16

struct AVCodecParameters;
enum sei_codec { SEI_H264, SEI_HEVC };

/* One message, from its UUID on, without emulation prevention bytes; size at least SEI_UUID_BYTES, less than the message's where it is long.
 * Return: whether that is enough. */
typedef bool (*on_sei)(void *userdata, const uint8_t *data, size_t size);

/* Each message in an access unit. nal_bytes: length of the lengths before each NAL unit (1 – 4), 0 = start codes (Annex B). Return: whether
 * on said that it is enough. */
bool sei_each(enum sei_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size, on_sei on,
              void *userdata);

/* What sei_each needs to know of a stream. Return: whether its pictures have such messages. */
bool sei_of(const struct AVCodecParameters *c, enum sei_codec *ret_codec, unsigned *ret_nal_bytes);

/* Notes time, place and device of AVCHD's message in an access unit. Return: whether one was there. */
bool mdpm_facts(struct facts *f, enum sei_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size);

/* Return: "onvif", "axis", or NULL: no signature is in the access unit. */
const char *signed_find(enum sei_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size);

#endif
