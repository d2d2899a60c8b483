/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Decoding and encoding by hardware, through libavcodec's device API: VAAPI, NVDEC and NVENC, QSV. The device is opened before the lock, as
 * drivers look for files; inside it only what is open can be driven (LOCK_HARDWARE). A device that fails ends the process with
 * WORKER_EXIT_HARDWARE, and the daemon does the job anew in software: so nothing is told of a recording that was the device's fault.
 */
#ifndef LIUHEN_MEDIA_WORKER_HARDWARE_H
#define LIUHEN_MEDIA_WORKER_HARDWARE_H

#include <libavcodec/avcodec.h>

#include "media/worker-verbs.h"

/* Opens the device that the plan's "hardware" names; before the lock. What fails is kept, for the verb hardware to tell. Return: 0. */
int hardware_prepare(struct job *job);
/* Why there is no device; "" when there is one. */
const char *hardware_why_not(void);
/* Of the device that is open; NULL: none is. */
const char *hardware_kind(void);
/* The verb hardware (worker-hardware-try.c): media.hardware_decodes and hardware_encodes, and the message says what does not work, and why. */
int verb_hardware(struct job *job);

/* Lets a decoder that is about to be opened use the device, where the plan says so. Return: 0 or -ENOMEM. */
int hardware_decoder(AVCodecContext *decoder);
/* Whether the device decodes what this decoder is given, now. */
bool hardware_decodes(const AVCodecContext *decoder);
/* Brings a picture that lies in the device's memory here, in place; any other is left as it is. Return: 0, -ENOMEM, -EREMOTEIO. */
int hardware_fetch(AVFrame *frame);

/* The device's encoder of H.264 where the plan says that it is to be used; NULL: it is not. */
const AVCodec *hardware_encoder(void);
/* Makes an encoder, whose size and rates are set already, one of the device's and opens it. quality: 0 – 51, as crf. Return: 0, -ENOMEM,
 * -EREMOTEIO. */
int hardware_encoder_open(AVCodecContext *encoder, int quality);
/* Gives it a picture in YUV 4:2:0 (its pts and pict_type go along), or NULL: the end. Return: 0, -ENOMEM, -EREMOTEIO. */
int hardware_encode(AVCodecContext *encoder, const AVFrame *picture);

#endif
