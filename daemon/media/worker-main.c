/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen-media: the program of Liuhen that parses, decodes and encodes video, sound and photos (liuhen-stills: HEIC, documents, lettering). One
 * process looks at one recording; it locks itself in first and reads afterwards. Started by the daemon (run.c); its frame is
 * worker-frame.c.
 */
#include "media/worker-verbs.h"

static const struct verb verbs[] = {
    {"probe", verb_probe, LOCK_PROBE, false, NULL},
    {"derive", verb_derive, LOCK_ENCODE, false, NULL},
    {"copy", verb_copy, LOCK_ENCODE, false, NULL},
    {"salvage", verb_salvage, LOCK_ENCODE, false, NULL},
};

int main(int argc, char **argv)
{
    worker_frame("liuhen-media", verbs, ARRAY_SIZE(verbs), argc, argv);
}
