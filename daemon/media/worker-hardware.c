/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Decoding by hardware (see worker-hardware.h). A decoder that finds no use for the device, or whose codec or size it does not know,
 * goes on in software by itself; what fails in the middle ends the process, and the daemon starts the job anew without hardware.
 */
#include "media/worker-hardware.h"

#include <errno.h>
#include <string.h>

#include <libavutil/hwcontext.h>

#include "media/worker-pass-clock.h"
#include "media/worker-say.h"

#define TRY_WIDTH  320
#define TRY_HEIGHT 240

static const struct kind {
    const char *name;
    enum AVHWDeviceType type;
    enum AVPixelFormat surface;
} kinds[] = {
    {"vaapi", AV_HWDEVICE_TYPE_VAAPI, AV_PIX_FMT_VAAPI},
    {"cuda", AV_HWDEVICE_TYPE_CUDA, AV_PIX_FMT_CUDA},
    {"qsv", AV_HWDEVICE_TYPE_QSV, AV_PIX_FMT_QSV},
};

/* One process, one job, one device. */
static const struct kind *kind;
static AVBufferRef *device;
static char why[200];

static void open_device(const char *name)
{
    char text[AV_ERROR_MAX_STRING_SIZE];
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            kind = &kinds[i];
    if (!kind) {
        snprintf(why, sizeof why, "hardware \"%.20s\" is not known; there are vaapi, cuda and qsv", name);
        return;
    }
#ifdef LIUHEN_MEDIA_STATIC
    r = AVERROR(ENOSYS);
    snprintf(why, sizeof why,
             "this liuhen-media is linked statically and has no %s; build it with MEDIA_LINK=shared", name);
    (void)text;
#else
    av_log_set_level(AV_LOG_QUIET);
    r = av_hwdevice_ctx_create(&device, kind->type, NULL, NULL, 0);
    if (r < 0) {
        av_strerror(r, text, sizeof text);
        snprintf(why, sizeof why, "no %s device can be opened: %s", name, text);
    }
#endif
    if (r < 0)
        kind = NULL;
}

int hardware_prepare(struct job *job)
{
    json_t *plan = NULL;
    const char *name;

    if (plan_read(&plan) < 0)
        return 0; /* is said inside the lock */
    name = json_get_string(plan, "hardware");
    if (name && strcmp(name, "none") != 0)
        open_device(name);
    else
        snprintf(why, sizeof why, "no hardware is asked for");
    json_decref(plan);
    return 0;
}

/* A frame there and back. Return: 0 or libav's error. */
static int try_device(AVBufferRef *frames, AVFrame *here, AVFrame *there)
{
    AVHWFramesContext *f = (AVHWFramesContext *)frames->data;
    int r;

    f->format = kind->surface;
    f->sw_format = here->format = AV_PIX_FMT_NV12;
    f->width = here->width = TRY_WIDTH;
    f->height = here->height = TRY_HEIGHT;
    f->initial_pool_size = 2;
    r = av_hwframe_ctx_init(frames);
    if (r >= 0)
        r = av_frame_get_buffer(here, 0);
    if (r >= 0)
        r = av_hwframe_get_buffer(frames, there, 0);
    if (r >= 0)
        r = av_hwframe_transfer_data(there, here, 0);
    return r < 0 ? r : av_hwframe_transfer_data(here, there, 0);
}

int verb_hardware(struct job *job)
{
    AVBufferRef *frames = device ? av_hwframe_ctx_alloc(device) : NULL;
    AVFrame *here = av_frame_alloc(), *there = av_frame_alloc();
    char text[AV_ERROR_MAX_STRING_SIZE];
    int r = frames && here && there ? try_device(frames, here, there) : AVERROR(ENOMEM);

    if (device && r >= 0)
        facts_text(&job->facts, job->facts.media, "hardware", kind->name, strlen(kind->name));
    else if (device) {
        av_strerror(r, text, sizeof text);
        snprintf(why, sizeof why, "the %s device does not work in the locked process: %s", kind->name, text);
    }
    snprintf(job->facts.message, sizeof job->facts.message, "%s", why);
    av_frame_free(&here);
    av_frame_free(&there);
    av_buffer_unref(&frames);
    return 0;
}

static enum AVPixelFormat choose(AVCodecContext *c, const enum AVPixelFormat *formats)
{
    for (const enum AVPixelFormat *p = formats; *p != AV_PIX_FMT_NONE; p++)
        if (*p == kind->surface)
            return *p;
    return avcodec_default_get_format(c, formats);
}

int hardware_decoder(AVCodecContext *decoder)
{
    if (!device)
        return 0;
    decoder->hw_device_ctx = av_buffer_ref(device);
    decoder->get_format = choose;
    return decoder->hw_device_ctx ? 0 : -ENOMEM;
}

int hardware_fetch(AVFrame *frame)
{
    AVFrame *here;
    int r;

    if (!device || !frame->hw_frames_ctx)
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
    return r >= 0 ? 0 : r == AVERROR(ENOMEM) ? -ENOMEM : -EREMOTEIO;
}
