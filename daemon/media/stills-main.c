/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen-stills: the program of Liuhen that parses HEIC and documents and draws lettering. Apart from liuhen-media because its libraries want
 * fonts, tables and files opened late; its lock lets it open what lies in the folders of fonts, read-only. Same frame, same messages.
 */
#include "media/stills.h"
#include "media/worker-verbs.h"

static const struct verb verbs[] = {
    {"probe", stills_probe, LOCK_PROBE, false, NULL},
    {"photo", stills_photo, LOCK_ENCODE, false, stills_prepare_codecs},
    {"pages", stills_pages, LOCK_STILLS, false, stills_prepare_fonts},
    {"letter", stills_letter, LOCK_STILLS, true, stills_prepare_fonts},
};

int main(int argc, char **argv)
{
    worker_frame("liuhen-stills", verbs, ARRAY_SIZE(verbs), argc, argv);
}
