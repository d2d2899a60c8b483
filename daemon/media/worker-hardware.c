/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The device, and decoding with it (see worker-hardware.h). A decoder that finds no use for the device, or whose codec or size it does not
 * know, goes on in software by itself.
 */
#include "media/worker-hardware.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/hwcontext.h>

#include "media/worker-hardware-device.h"
#include "media/worker-say.h"

static const struct hardware_kind kinds[] = {
    {.name = "vaapi",
     .type = AV_HWDEVICE_TYPE_VAAPI,
     .surface = AV_PIX_FMT_VAAPI,
     .encoder = "h264_vaapi",
     .quality = "qp",
     .options = {{"rc_mode", "CQP"}}},
    {.name = "cuda",
     .type = AV_HWDEVICE_TYPE_CUDA,
     .surface = AV_PIX_FMT_CUDA,
     .encoder = "h264_nvenc",
     .quality = "qp",
     .options = {{"preset", "p4"}, {"rc", "constqp"}, {"forced-idr", "1"}}},
    {.name = "qsv",
     .type = AV_HWDEVICE_TYPE_QSV,
     .surface = AV_PIX_FMT_QSV,
     .encoder = "h264_qsv",
     .options = {{"preset", "faster"}, {"forced_idr", "1"}}},
};

/* One process, one job, one device. */
static struct hardware_device device;
static bool decoding; /* the decoder that was opened last is the device's */
static char why[200];

const struct hardware_device *hardware_device(void)
{
    return device.context ? &device : NULL;
}

const char *hardware_why_not(void)
{
    return why;
}

const char *hardware_kind(void)
{
    return device.context ? device.kind->name : NULL;
}

#ifndef LIUHEN_MEDIA_STATIC
/* The client starts us without 0 to 2, and without a recording when a device is tried: nothing of a driver's may land there, as the lock
 * closes them, and lets only those be driven that are above the files. */
static void fill_low_fds(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= WORKER_FD_INPUT);
    if (fd > WORKER_FD_INPUT)
        close(fd);
}

/* What libavcodec would load only when it decodes or encodes, as nothing can be opened then. Kept for good. */
static void load_for_later(void)
{
    static const char *const names[] = {"libnvcuvid.so.1", "libnvidia-encode.so.1"};

    for (size_t i = 0; device.kind->type == AV_HWDEVICE_TYPE_CUDA && i < ARRAY_SIZE(names); i++)
        (void)dlopen(names[i], RTLD_NOW);
}

/* For VAAPI not by an X server: that would be a socket within the lock. */
static int create(const char *path)
{
    AVDictionary *options = NULL;
    int r = 0;

    if (device.kind->type == AV_HWDEVICE_TYPE_VAAPI)
        r = av_dict_set(&options, "connection_type", "drm", 0);
    else if (device.kind->type == AV_HWDEVICE_TYPE_QSV && path) {
        r = av_dict_set(&options, "child_device", path, 0);
        path = NULL;
    }
    if (r >= 0)
        r = av_hwdevice_ctx_create(&device.context, device.kind->type, path, options, 0);
    av_dict_free(&options);
    return r;
}

static void open_device(const char *path)
{
    char text[AV_ERROR_MAX_STRING_SIZE];
    int r;

    av_log_set_level(AV_LOG_QUIET);
    fill_low_fds();
    r = create(path);
    if (r >= 0) {
        load_for_later();
        return;
    }
    device.context = NULL;
    av_strerror(r, text, sizeof text);
    snprintf(why, sizeof why, "no %s device can be opened%s%.80s: %.60s", device.kind->name,
             path ? " at " : "", path ? path : "", text);
}
#else
static void open_device(const char *path)
{
    snprintf(why, sizeof why,
             "this liuhen-media is linked statically and has no %s; build it with MEDIA_LINK=shared",
             device.kind->name);
}
#endif

int hardware_prepare(struct job *job)
{
    const json_t *asked;
    const char *name;
    json_t *plan = NULL;

    if (plan_read(&plan) < 0)
        return 0; /* is said inside the lock */
    asked = json_get_object(plan, "hardware");
    name = json_get_string(asked, "kind");
    for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            device.kind = &kinds[i];
    device.may_decode = json_get_bool(asked, "decode", false);
    device.may_encode = json_get_bool(asked, "encode", false);
    if (device.kind)
        open_device(json_get_string(asked, "device"));
    else if (name)
        snprintf(why, sizeof why, "hardware \"%.20s\" is not known; there are vaapi, cuda and qsv", name);
    else
        snprintf(why, sizeof why, "no hardware is asked for");
    json_decref(plan);
    return 0;
}

/* ---- decoding ------------------------------------------------------------------------------------------------------------ */

static enum AVPixelFormat choose(AVCodecContext *c, const enum AVPixelFormat *formats)
{
    decoding = false;
    for (const enum AVPixelFormat *p = formats; *p != AV_PIX_FMT_NONE; p++)
        decoding |= *p == device.kind->surface;
    return decoding ? device.kind->surface : avcodec_default_get_format(c, formats);
}

int hardware_decoder(AVCodecContext *decoder)
{
    if (!device.context || !device.may_decode || decoder->codec_type != AVMEDIA_TYPE_VIDEO)
        return 0;
    decoding = false;
    decoder->hw_device_ctx = av_buffer_ref(device.context);
    decoder->get_format = choose;
    return decoder->hw_device_ctx ? 0 : -ENOMEM;
}

bool hardware_decodes(const AVCodecContext *decoder)
{
    return decoding && decoder->hw_device_ctx;
}

int hardware_fetch(AVFrame *frame)
{
    AVFrame *here;
    int r;

    if (!frame->hw_frames_ctx)
        return 0;
    here = av_frame_alloc();
    if (!here)
        return -ENOMEM;
    r = av_hwframe_transfer_data(here, frame, 0);
    if (r >= 0)
        r = av_frame_copy_props(here, frame);
    if (r >= 0) {
        av_frame_unref(frame);
        av_frame_move_ref(frame, here);
    }
    av_frame_free(&here);
    return hardware_errno(r);
}

int hardware_errno(int averror)
{
    return averror >= 0 ? 0 : averror == AVERROR(ENOMEM) ? -ENOMEM : -EREMOTEIO;
}
