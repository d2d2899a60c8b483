/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhen-stills: the program of Liuhen that parses HEIC and documents and draws lettering. Apart from liuhen-media because its libraries want
 * fonts, tables and files opened late; its lock lets it open what lies in the folders of fonts, read-only. Same frame, same messages.
 */
#include "media/worker-verbs.h"

static const struct verb verbs[] = {
    {"probe", stills_probe, LOCK_PROBE, false, NULL},
};

int main(int argc, char **argv)
{
    worker_frame("liuhen-stills", verbs, ARRAY_SIZE(verbs), argc, argv);
}
