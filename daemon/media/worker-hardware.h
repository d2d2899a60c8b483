/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Decoding by hardware, through libavcodec's device API: VAAPI, NVDEC, QSV. The device is opened before the lock, as drivers look for
 * files; inside it only what is open can be driven (LOCK_HARDWARE). Whatever does not work is done in software.
 */
#ifndef LIUHEN_MEDIA_WORKER_HARDWARE_H
#define LIUHEN_MEDIA_WORKER_HARDWARE_H

#include <libavcodec/avcodec.h>

#include "media/worker-verbs.h"

/* Opens the device that the plan's "hardware" names; before the lock. What fails is kept, for the verb hardware to tell. Return: 0. */
int hardware_prepare(struct job *job);
/* The verb hardware: media.hardware when a picture went there and back, else the message says why not. */
int verb_hardware(struct job *job);

/* Lets a decoder that is about to be opened use the device, if there is one. Return: 0 or -ENOMEM. */
int hardware_decoder(AVCodecContext *decoder);
/* Brings a picture that lies in the device's memory here, in place; any other is left as it is. Return: 0 or negative errno. */
int hardware_fetch(AVFrame *frame);

#endif
