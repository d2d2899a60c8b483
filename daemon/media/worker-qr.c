/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * QR codes in the first seconds: an officer holds a case's or a badge's code in front of the camera, and the recording is linked by it
 * (cases/place-facts.h). Two pictures a second are looked at, at the size they have, as codes are small; above Full HD every second
 * point is enough. Where the index says that key pictures come often, they have to do, as a code is held up for seconds: decoding all
 * pictures would cost more than all the rest of a copied proxy. The library finds turned codes; the mirrored ones of front cameras are looked for in a mirrored picture.
 */
#include "media/worker-pass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zbar.h>

#include "base/encode.h"
#include "media/worker-luma.h"

#define TEXTS_MAX  8
#define TEXT_MAX   300
#define EVERY_USEC (500 * USEC_PER_MSEC)
#define OFTEN_USEC (2500 * USEC_PER_MSEC)
#define LINES      2 /* of so many one is scanned; the middle of a mark is three modules wide */
#define WIDE       2048
#define PIXELS_MAX (16 << 20)
#define LOOKS_MAX  400
#define MSEC_MAX   120000

struct qr {
    zbar_image_scanner_t *scanner;
    zbar_image_t *image;
    uint8_t *grey;
    size_t grey_size;
    int64_t until_usec, next_usec;
    unsigned looks;
};

static void qr_done(void *state)
{
    struct qr *q = state;

    if (q->image)
        zbar_image_destroy(q->image);
    if (q->scanner)
        zbar_image_scanner_destroy(q->scanner);
    free(q->grey);
    free(q);
}

/* Length of the character at a place (UTF-8) when it steers a terminal or turns the order of what is read around (C0, C1, marks of
 * direction, breaks of lines: Unicode §23.1, UAX #9 §2); 0: it is one to be read. */
static size_t steers(const unsigned char *p, size_t left)
{
    if (p[0] < 0x20 || p[0] == 0x7F)
        return 1;
    if (left >= 2 && p[0] == 0xC2 && p[1] < 0xA0)
        return 2;
    if (left >= 3 && p[0] == 0xE2 &&
        ((p[1] == 0x80 && (p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xA8 && p[2] <= 0xAE))) ||
         (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9)))
        return 3;
    return 0;
}

/* Adds a text to decoded.qr unless it is there; what is no text of UTF-8 (binary codes) is passed over. */
static int add_text(struct facts *f, const char *data, size_t size)
{
    json_t *decoded = facts_decoded(f), *list = decoded ? json_object_get(decoded, "qr") : NULL, *known;
    char text[TEXT_MAX + 1];
    size_t i, n = 0;

    if (!decoded)
        return -ENOMEM;
    if (size > TEXT_MAX || !utf8_is_valid(data, size))
        return 0;
    for (i = 0; i < size;) {
        size_t step = steers((const unsigned char *)data + i, size - i);

        text[n++] = step ? ' ' : data[i];
        i += MAX(step, (size_t)1);
    }
    while (n > 0 && text[n - 1] == ' ')
        n--;
    text[n] = 0;
    if (n == 0)
        return 0;
    if (!list) {
        if (json_set_take(decoded, "qr", json_array()) < 0)
            return -ENOMEM;
        list = json_object_get(decoded, "qr");
    }
    json_array_foreach (list, i, known)
        if (strcmp(json_string_value(known), text) == 0)
            return 0;
    if (json_array_size(list) >= TEXTS_MAX)
        return 0;
    return json_array_append_new(list, json_string(text)) < 0 ? -ENOMEM : 0;
}

/* Return: texts seen, or -ENOMEM. */
static int scan(struct qr *q, struct facts *f, unsigned width, unsigned height)
{
    int seen = 0, r = 0;

    zbar_image_set_size(q->image, width, height);
    zbar_image_set_data(q->image, q->grey, (unsigned long)width * height, NULL);
    if (zbar_scan_image(q->scanner, q->image) <= 0)
        return 0;
    for (const zbar_symbol_t *s = zbar_image_first_symbol(q->image); s && r == 0; s = zbar_symbol_next(s))
        if (zbar_symbol_get_type(s) == ZBAR_QRCODE) {
            seen++;
            r = add_text(f, zbar_symbol_get_data(s), zbar_symbol_get_data_length(s));
        }
    return r < 0 ? r : seen;
}

static void mirror(uint8_t *grey, size_t width, size_t height)
{
    for (size_t y = 0; y < height; y++, grey += width)
        for (size_t a = 0, b = width - 1; a < b; a++, b--) {
            uint8_t v = grey[a];

            grey[a] = grey[b];
            grey[b] = v;
        }
}

static int on_picture(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key)
{
    struct qr *q = state;
    int step = frame->width > WIDE || frame->height > WIDE ? 2 : 1, w = luma_width(frame, step),
        h = luma_height(frame, step), r;
    size_t size = (size_t)MAX(w, 0) * (size_t)MAX(h, 0);

    if (at_usec >= q->until_usec || q->looks >= LOOKS_MAX)
        return 1;
    if (at_usec < q->next_usec || w < 21 || h < 21 || size > PIXELS_MAX || !luma_is_readable(frame))
        return 0;
    q->next_usec = at_usec + EVERY_USEC;
    q->looks++;
    if (size > q->grey_size) {
        uint8_t *grey = realloc(q->grey, size);

        if (!grey)
            return -ENOMEM;
        q->grey = grey;
        q->grey_size = size;
    }
    luma_copy(frame, step, q->grey);
    r = scan(q, p->facts, (unsigned)w, (unsigned)h);
    if (r == 0 && q->looks % 2 == 1) {
        mirror(q->grey, (size_t)w, (size_t)h);
        r = scan(q, p->facts, (unsigned)w, (unsigned)h);
    }
    return MIN(r, 0);
}

static int make(int64_t msec, struct qr **ret)
{
    struct qr *q = calloc(1, sizeof *q);

    if (!q)
        return -ENOMEM;
    q->until_usec = MIN(msec, (int64_t)MSEC_MAX) * USEC_PER_MSEC;
    q->scanner = zbar_image_scanner_create();
    q->image = zbar_image_create();
    if (!q->scanner || !q->image) {
        qr_done(q);
        return -ENOMEM;
    }
    zbar_image_set_format(q->image, zbar_fourcc('Y', '8', '0', '0'));
    zbar_image_scanner_set_config(q->scanner, ZBAR_NONE, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config(q->scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    zbar_image_scanner_set_config(q->scanner, ZBAR_NONE, ZBAR_CFG_X_DENSITY, LINES);
    zbar_image_scanner_set_config(q->scanner, ZBAR_NONE, ZBAR_CFG_Y_DENSITY, LINES);
    /* bytes as they are: guessing at encodings takes Chinese in UTF-8 for Shift-JIS */
    zbar_image_scanner_set_config(q->scanner, ZBAR_QRCODE, ZBAR_CFG_BINARY, 1);
    *ret = q;
    return 0;
}

/* Whether key pictures come often until then, by an index that goes as far. */
static bool keys_come_often(const struct pass *p, int64_t until_usec)
{
    int n = avformat_index_get_entries_count(p->video);
    int64_t last = 0;

    for (int i = 0; i < n && last < until_usec; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(p->video, i);
        int64_t at = av_rescale_q(e->timestamp, p->video->time_base, AV_TIME_BASE_Q) - p->start_usec;

        if (!(e->flags & AVINDEX_KEYFRAME))
            continue;
        if (at - last > OFTEN_USEC)
            return false;
        last = at;
    }
    return last > 0 && (last >= until_usec || p->duration_usec - last <= OFTEN_USEC);
}

int tap_qr(const struct pass *p, struct tap *ret)
{
    int64_t msec = json_get_integer(json_object_get(p->plan, "decoded"), "qr_msec", 0);
    struct qr *q;
    int r;

    if (!p->video || msec <= 0)
        return 0;
    r = make(msec, &q);
    if (r < 0)
        return r;
    *ret = (struct tap){.name = "qr",
                        .state = q,
                        .pictures = keys_come_often(p, q->until_usec) ? PICTURES_KEY : PICTURES_EARLY,
                        .early_usec = q->until_usec,
                        .spacing_usec = EVERY_USEC,
                        .picture = on_picture,
                        .done = qr_done};
    return 1;
}
