/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of hardware (worker-hardware*.c) share.
 */
#ifndef LIUHEN_MEDIA_WORKER_HARDWARE_DEVICE_H
#define LIUHEN_MEDIA_WORKER_HARDWARE_DEVICE_H

#include <stdbool.h>

#include <libavutil/hwcontext.h>

struct hardware_kind {
    const char *name;
    enum AVHWDeviceType type;
    enum AVPixelFormat surface;
    const char *encoder; /* of libavcodec, for H.264 */
    const char *quality; /* the encoder's option; NULL: libavcodec's own */
    struct {
        const char *key, *value;
    } options[4];
};

struct hardware_device {
    const struct hardware_kind *kind;
    AVBufferRef *context;
    bool may_decode, may_encode; /* as the plan says */
};

/* The one that is open, or NULL. */
const struct hardware_device *hardware_device(void);
/* What a device's failure is to us: -EREMOTEIO, whatever it says. Return: 0, -ENOMEM, -EREMOTEIO. */
int hardware_errno(int averror);

#endif
