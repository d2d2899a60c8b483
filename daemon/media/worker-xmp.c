/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * XMP (ISO 16684-1) and IPTC-IIM beside the EXIF of photos: when, where and with what, for photos whose EXIF does not say. Editors write
 * both, so that nothing of them is certain, and they are read after EXIF. Of XMP only simple properties by their usual prefixes are
 * looked for, as attributes or elements: the packet is text, and needs no parser of XML that hostile files could keep busy.
 */
#include <string.h>

#include "media/worker-inspect.h"

#define VALUE_MAX 96

/* Where a value stands behind a property's name: ="…", ='…' or >…<. Return: its end, from *at on; NULL: none. */
static const char *find_value(const char *p, const char *end, const char **at)
{
    char quote;

    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t' || *p == '='))
        p++;
    if (p == end || (*p != '"' && *p != '\'' && *p != '>'))
        return NULL;
    quote = *p == '>' ? '<' : *p;
    *at = ++p;
    return memchr(p, quote, (size_t)(end - p));
}

/* Copies the value of the first such property that has one. Entities are none that times, places or numbers need. */
static bool property(const char *text, size_t size, const char *name, char out[VALUE_MAX])
{
    const char *end = text + size, *p = text;
    size_t n = strlen(name);

    while ((p = memmem(p, (size_t)(end - p), name, n))) {
        const char *from = NULL, *to;
        bool begins = p > text && strchr("< \n\r\t", p[-1]);

        p += n;
        to = begins ? find_value(p, end, &from) : NULL;
        while (to && from < to && strchr(" \n\r\t", *from))
            from++;
        if (!to || to == from || to - from >= VALUE_MAX || memchr(from, '&', (size_t)(to - from)))
            continue;
        memcpy(out, from, (size_t)(to - from));
        out[to - from] = 0;
        return true;
    }
    return false;
}

/* Digits with decimals, × 10⁷, *p moved on; -1: none, or too many. */
static int64_t number_e7(const char **p)
{
    int64_t v = 0, unit = 1000000;
    int n = 0;

    for (; **p >= '0' && **p <= '9' && n < 7; (*p)++, n++)
        v = v * 10 + (**p - '0');
    v *= 10000000;
    if (n == 0 || (**p >= '0' && **p <= '9'))
        return -1;
    if (**p == '.')
        for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
            v += (**p - '0') * unit;
    return v;
}

/* "41,12,36N", "41,12.6N" (XMP part 2, GPSCoordinate) to degrees × 10⁷. */
static bool coordinate(const char *text, char plus, char minus, int64_t *ret)
{
    int64_t part[3] = {0};
    int n = 0;

    do {
        part[n] = number_e7(&text);
        if (part[n++] < 0)
            return false;
    } while (n < 3 && *text == ',' && *text++);
    if (n < 2 || (*text != plus && *text != minus))
        return false;
    *ret = part[0] + part[1] / 60 + part[2] / 3600;
    if (*text == minus)
        *ret = -*ret;
    return true;
}

static void xmp_place(struct facts *f, const char *text, size_t size)
{
    char value[VALUE_MAX];
    int64_t lat, lon, alt, unit = 0;
    const char *p = value;

    if (!property(text, size, "exif:GPSLatitude", value) || !coordinate(value, 'N', 'S', &lat) ||
        !property(text, size, "exif:GPSLongitude", value) || !coordinate(value, 'E', 'W', &lon))
        return;
    alt = property(text, size, "exif:GPSAltitude", value) ? number_e7(&p) : -1;
    if (alt >= 0 && *p == '/') {
        p++;
        unit = number_e7(&p);
    }
    if (unit <= 0) {
        facts_gps(f, lat, lon, NULL);
        return;
    }
    alt = alt / 10000000 * 1000 / MAX(unit / 10000000, 1);
    if (property(text, size, "exif:GPSAltitudeRef", value) && strcmp(value, "1") == 0)
        alt = -alt;
    facts_gps(f, lat, lon, &alt);
}

void xmp_facts(struct facts *f, const char *text, size_t size)
{
    static const struct {
        const char *name, *source;
        int rank;
        enum certainty certainty;
    } times[] = {
        {"exif:DateTimeOriginal", "xmp exif:DateTimeOriginal", 12, PROBABLE},
        {"photoshop:DateCreated", "xmp photoshop:DateCreated", 14, PROBABLE},
        {"xmp:CreateDate", "xmp xmp:CreateDate", 22, DOUBTFUL},
        {"exif:GPSTimeStamp", "xmp exif:GPSTimeStamp", 31, PROBABLE},
    };
    static const struct {
        const char *name, *key;
    } device[] = {{"tiff:Make", "make"},
                  {"tiff:Model", "model"},
                  {"aux:SerialNumber", "serial"},
                  {"exifEX:BodySerialNumber", "serial"}};
    char value[VALUE_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        if (property(text, size, times[i].name, value))
            facts_time_text(f, times[i].rank, value, NULL, times[i].source, times[i].certainty);
    for (size_t i = 0; i < ARRAY_SIZE(device); i++)
        if (property(text, size, device[i].name, value))
            facts_device(f, device[i].key, value, strlen(value));
    xmp_place(f, text, size);
}

/* ---- IPTC ---- */

/* Date and time of creation (2:55 CCYYMMDD, 2:60 HHMMSS±HHMM) among datasets of a record: 1C, record, number, length, value. */
static void iim_facts(struct facts *f, const uint8_t *p, size_t size)
{
    char date[9] = "", clock[12] = "", text[40];

    for (size_t at = 0; size - at >= 5 && p[at] == 0x1C;) {
        size_t n = be16_at(p + at + 3);
        const uint8_t *v = p + at + 5;

        if (n > size - at - 5)
            break;
        if (p[at + 1] == 2 && p[at + 2] == 55 && n == 8)
            memcpy(date, v, 8);
        if (p[at + 1] == 2 && p[at + 2] == 60 && (n == 6 || n == 11))
            memcpy(clock, v, n);
        at += 5 + n;
    }
    if (strlen(date) != 8 || strlen(clock) < 6)
        return;
    snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%s", date, date + 4, date + 6, clock, clock + 2,
             clock + 4, clock + 6);
    facts_time_text(f, 13, text, NULL, "iptc DateCreated", PROBABLE);
}

void iptc_facts(struct facts *f, const uint8_t *p, size_t size)
{
    size_t at = 0, n;

    /* "8BIM", number, a Pascal string and the data's length, both padded to even (Adobe Photoshop File Formats, image resources) */
    while (size - at >= 12 && memcmp(p + at, "8BIM", 4) == 0) {
        unsigned number = be16_at(p + at + 4);

        at += 6 + ((p[at + 6] + 2u) & ~1u);
        if (at > size || size - at < 4 || (n = be32_at(p + at)) > size - at - 4)
            return;
        if (number == 0x0404)
            iim_facts(f, p + at + 4, n);
        at = MIN(at + 4 + ((n + 1) & ~(size_t)1), size);
    }
}
