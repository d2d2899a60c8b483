/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A GInputStream over struct input (see stills-stream.h).
 */
#include "media/stills-stream.h"

#include <errno.h>

struct stream {
    GInputStream parent;
    struct input *in;
    goffset at;
};

typedef struct stream Stream;
typedef struct {
    GInputStreamClass parent;
} StreamClass;

static GType stream_get_type(void);
static void stream_seekable_init(GSeekableIface *iface);

G_DEFINE_TYPE_WITH_CODE(Stream, stream, G_TYPE_INPUT_STREAM,
                        G_IMPLEMENT_INTERFACE(G_TYPE_SEEKABLE, stream_seekable_init))

static gssize on_read(GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable,
                      GError **error)
{
    Stream *s = (Stream *)stream;
    ssize_t n = input_expired(s->in) ? -ETIME : input_pread(s->in, buffer, count, (uint64_t)s->at);

    if (n < 0) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot be read");
        return -1;
    }
    s->at += n;
    return n;
}

static goffset on_tell(GSeekable *seekable)
{
    return ((Stream *)seekable)->at;
}

static gboolean on_can(GSeekable *seekable)
{
    return TRUE;
}

static gboolean on_cannot(GSeekable *seekable)
{
    return FALSE;
}

static gboolean on_seek(GSeekable *seekable, goffset offset, GSeekType type, GCancellable *cancellable,
                        GError **error)
{
    Stream *s = (Stream *)seekable;
    goffset from = type == G_SEEK_CUR ? s->at : type == G_SEEK_END ? (goffset)s->in->size : 0;

    if (offset > G_MAXINT64 / 2 || offset < -from) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "no such place");
        return FALSE;
    }
    s->at = from + offset;
    return TRUE;
}

static void stream_init(Stream *s)
{
}

static void stream_class_init(StreamClass *class)
{
    G_INPUT_STREAM_CLASS(class)->read_fn = on_read;
}

static void stream_seekable_init(GSeekableIface *iface)
{
    iface->tell = on_tell;
    iface->can_seek = on_can;
    iface->seek = on_seek;
    iface->can_truncate = on_cannot;
}

GInputStream *input_stream_new(struct input *in)
{
    Stream *s = g_object_new(stream_get_type(), NULL);

    s->in = in;
    return G_INPUT_STREAM(s);
}
