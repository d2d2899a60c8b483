/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The recording as GLib's libraries read it: a seekable stream over struct input, so that bad sectors and the deadline are seen here too.
 */
#ifndef LIUHEN_MEDIA_STILLS_STREAM_H
#define LIUHEN_MEDIA_STILLS_STREAM_H

#include <gio/gio.h>
/* GLib has its own, the same */
#undef MIN
#undef MAX
#include "media/worker-input.h"

/* New reference. in must outlive it. */
GInputStream *input_stream_new(struct input *in);

#endif
