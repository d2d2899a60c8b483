/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen-media: the program of Liuhen that parses, decodes and encodes video, sound and photos (liuhen-stills: HEIC, documents, lettering). One
 * process looks at one recording; it locks itself in first and reads afterwards. Started by the daemon (run.c); its frame is
 * worker-frame.c.
 */
#include <string.h>

#include <libavutil/avutil.h>

#include "media/messages.h"
#include "media/worker-hardware.h"
#include "media/worker-verbs.h"

static const struct verb verbs[] = {
    {"probe", verb_probe, LOCK_PROBE, false, NULL},
    {"derive", verb_derive, LOCK_ENCODE, false, NULL},
    {"copy", verb_copy, LOCK_ENCODE, false, NULL},
    {"salvage", verb_salvage, LOCK_ENCODE, false, NULL},
    {"hardware", verb_hardware, LOCK_HARDWARE, true, hardware_prepare},
    {"derive-hardware", verb_derive, LOCK_HARDWARE, false, hardware_prepare},
};

/* Which libav decodes here: with MEDIA_LINK=static it is the one of the build, and a security update of FFmpeg wants another build. */
static int say_version(void)
{
    printf("liuhen-media %s, FFmpeg %s, linked " MEDIA_LINK "\n", LIUHEN_VERSION, av_version_info());
    return fflush(stdout) == 0 ? 0 : WORKER_EXIT_OUTPUT;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return say_version();
    worker_frame("liuhen-media", verbs, ARRAY_SIZE(verbs), argc, argv);
}
