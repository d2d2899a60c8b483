/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * EXIF through libexif (CIPA DC-008). Entries are read by their stated size and format only; nothing is taken for NUL-terminated, no
 * ratio is divided by zero.
 */
#include <string.h>

#include <libexif/exif-data.h>
#include <libexif/exif-mnote-data.h>
#undef MIN /* libexif has its own, the same */
#undef MAX

#include "media/worker-inspect.h"

#define CANON_TAG_SERIAL 0x0C
#define CANON_TAGS_MAX   256
#define EXIF_MAX         65533 /* what one APP1 segment can hold; the entries we want come first */

static void unref_data(ExifData **d)
{
    exif_data_unref(*d);
}

static ExifEntry *entry(ExifData *d, ExifIfd ifd, int tag)
{
    ExifEntry *e = exif_content_get_entry(d->ifd[ifd], (ExifTag)tag);

    return e && e->data ? e : NULL;
}

/* Copies an ASCII entry with a NUL. Return: whether there is text. */
static bool text_of(ExifData *d, ExifIfd ifd, int tag, char *out, size_t size)
{
    const ExifEntry *e = entry(d, ifd, tag);
    size_t n;

    if (!e || e->format != EXIF_FORMAT_ASCII)
        return false;
    n = MIN((size_t)e->size, size - 1);
    memcpy(out, e->data, n);
    out[n] = 0;
    return out[0] != 0;
}

static void time_of(ExifData *d, struct facts *f, int rank, ExifIfd ifd, int tag, int zone_tag,
                    const char *source, enum certainty certainty)
{
    char text[40], zone[16];
    bool has_zone = text_of(d, EXIF_IFD_EXIF, zone_tag, zone, sizeof zone);

    if (text_of(d, ifd, tag, text, sizeof text))
        facts_time_text(f, rank, text, has_zone ? zone : NULL, source, certainty);
}

/* The nth unsigned rational times scale. Return: false when it is not there or has no value. */
static bool rational_of(ExifData *d, const ExifEntry *e, unsigned nth, int64_t scale, int64_t *ret)
{
    ExifRational r;

    if (!e || e->format != EXIF_FORMAT_RATIONAL || e->size / 8 <= nth)
        return false;
    r = exif_get_rational(e->data + 8 * nth, exif_data_get_byte_order(d));
    if (r.denominator == 0)
        return false;
    *ret = (int64_t)r.numerator * scale / r.denominator;
    return true;
}

/* Degrees, minutes, seconds to degrees × 10⁷, negative for the given letter. */
static bool degrees_of(ExifData *d, int tag, int ref_tag, char negative, int64_t *ret)
{
    const ExifEntry *e = entry(d, EXIF_IFD_GPS, tag);
    int64_t deg, min, sec = 0, scale = 10000000;
    char ref[4];

    if (!rational_of(d, e, 0, scale, &deg) || !rational_of(d, e, 1, scale, &min))
        return false;
    rational_of(d, e, 2, scale, &sec);
    if (deg > 180 * scale || min > 60 * scale || sec > 60 * scale)
        return false;
    *ret = deg + min / 60 + sec / 3600;
    if (!text_of(d, EXIF_IFD_GPS, ref_tag, ref, sizeof ref))
        return false;
    if (ref[0] == negative)
        *ret = -*ret;
    return true;
}

static void gps_of(ExifData *d, struct facts *f)
{
    const ExifEntry *below = entry(d, EXIF_IFD_GPS, EXIF_TAG_GPS_ALTITUDE_REF);
    int64_t lat, lon, alt;

    if (!degrees_of(d, EXIF_TAG_GPS_LATITUDE, EXIF_TAG_GPS_LATITUDE_REF, 'S', &lat) ||
        !degrees_of(d, EXIF_TAG_GPS_LONGITUDE, EXIF_TAG_GPS_LONGITUDE_REF, 'W', &lon))
        return;
    if (rational_of(d, entry(d, EXIF_IFD_GPS, EXIF_TAG_GPS_ALTITUDE), 0, 1000, &alt)) {
        if (below && below->size > 0 && below->data[0] == 1)
            alt = -alt;
        facts_gps(f, lat, lon, &alt);
    } else
        facts_gps(f, lat, lon, NULL);
}

/* Date and time of the fix: always UTC, but of the last fix, which may be older than the picture. */
static void gps_time_of(ExifData *d, struct facts *f)
{
    const ExifEntry *e = entry(d, EXIF_IFD_GPS, EXIF_TAG_GPS_TIME_STAMP);
    char date[16], text[64];
    int64_t h, m, s;

    if (!text_of(d, EXIF_IFD_GPS, EXIF_TAG_GPS_DATE_STAMP, date, sizeof date) ||
        !rational_of(d, e, 0, 1, &h) || !rational_of(d, e, 1, 1, &m) || !rational_of(d, e, 2, 1, &s) ||
        h > 23 || m > 59 || s > 60)
        return;
    snprintf(text, sizeof text, "%s %02d:%02d:%02dZ", date, (int)h, (int)m, (int)s);
    facts_time_text(f, 30, text, NULL, "exif GPS time", PROBABLE);
}

/* Canon keeps the body's number in its maker note; libexif writes it as the oldest cameras print it, hexadecimal and decimal half apart. */
static void canon_serial(ExifData *d, struct facts *f)
{
    ExifMnoteData *note = exif_data_get_mnote_data(d);
    unsigned n = note ? exif_mnote_data_count(note) : 0, high, low;
    char make[16], text[64];

    if (!text_of(d, EXIF_IFD_0, EXIF_TAG_MAKE, make, sizeof make) || strncmp(make, "Canon", 5) != 0)
        return;
    for (unsigned i = 0; i < n && i < CANON_TAGS_MAX; i++)
        if (exif_mnote_data_get_id(note, i) == CANON_TAG_SERIAL &&
            exif_mnote_data_get_value(note, i, text, sizeof text) &&
            sscanf(text, "%4X-%5u", &high, &low) == 2) {
            snprintf(text, sizeof text, "%u", high << 16 | (low & 0xFFFF));
            facts_device(f, "serial", text, strlen(text));
            return;
        }
}

static void device_of(ExifData *d, struct facts *f)
{
    static const struct {
        ExifIfd ifd;
        int tag;
        const char *key;
    } rows[] = {{EXIF_IFD_0, EXIF_TAG_MAKE, "make"},
                {EXIF_IFD_0, EXIF_TAG_MODEL, "model"},
                {EXIF_IFD_EXIF, EXIF_TAG_BODY_SERIAL_NUMBER, "serial"}};
    char text[FACTS_TEXT_MAX + 1];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (text_of(d, rows[i].ifd, rows[i].tag, text, sizeof text))
            facts_device(f, rows[i].key, text, strlen(text));
    canon_serial(d, f);
    if (text_of(d, EXIF_IFD_0, EXIF_TAG_SOFTWARE, text, sizeof text))
        facts_tag(f, "software", text, strlen(text));
}

/* Orientation 1–8 to the clockwise turn for display; mirrored forms count as their turn. */
static void rotation_of(ExifData *d, struct facts *f)
{
    static const int turn[] = {0, 0, 0, 180, 180, 90, 90, 270, 270};
    const ExifEntry *e = entry(d, EXIF_IFD_0, EXIF_TAG_ORIENTATION);
    unsigned v;

    if (!e || e->format != EXIF_FORMAT_SHORT || e->size < 2)
        return;
    v = exif_get_short(e->data, exif_data_get_byte_order(d));
    if (v >= ARRAY_SIZE(turn) || v == 0 || f->orientation) /* the first block that says it is the picture's */
        return;
    f->orientation = (int)v;
    if (turn[v])
        facts_integer(f, "rotation", turn[v]);
}

void exif_facts(struct facts *f, const uint8_t *tiff, size_t size)
{
    static uint8_t block[6 + EXIF_MAX];
    _cleanup_(unref_data) ExifData *d = exif_data_new();

    if (!d) {
        f->failed = true;
        return;
    }
    exif_data_unset_option(d, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_set_option(d, EXIF_DATA_OPTION_DONT_CHANGE_MAKER_NOTE);
    memcpy(block, "Exif\0", 6);
    size = MIN(size, (size_t)EXIF_MAX - 6);
    memcpy(block + 6, tiff, size);
    exif_data_load_data(d, block, (unsigned)size + 6);
    time_of(d, f, 10, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_ORIGINAL, EXIF_TAG_OFFSET_TIME_ORIGINAL,
            "exif DateTimeOriginal", CERTAIN);
    time_of(d, f, 20, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_DIGITIZED, EXIF_TAG_OFFSET_TIME_DIGITIZED,
            "exif DateTimeDigitized", PROBABLE);
    time_of(d, f, 40, EXIF_IFD_0, EXIF_TAG_DATE_TIME, EXIF_TAG_OFFSET_TIME, "exif DateTime", DOUBTFUL);
    gps_time_of(d, f);
    gps_of(d, f);
    device_of(d, f);
    rotation_of(d, f);
}
