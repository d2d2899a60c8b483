/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names, times and metadata of body-worn camera systems (see bodyworn.h).
 */
#include "cases/bodyworn.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/calendar.h"
#include "base/gpx.h"
#include "base/ulid.h"
#include "cases/place-rule.h"

#define REJECTED_PREFIX "RejectedContent_"
#define BOOKMARK_PREFIX "bookmark_"
#define TRAIL_SUFFIX    "_gpstrail.json"
#define NO_TIME         INT64_MIN

const char *bodyworn_container_kind_name(enum bodyworn_container_kind kind)
{
    static const char *const names[] = {"system", "users", "devices", "recording", "rejected", "other"};

    return names[kind];
}

const char *bodyworn_object_kind_name(enum bodyworn_object_kind kind)
{
    static const char *const names[] = {"setting", "clip", "key", "bookmark", "trail", "file"};

    return names[kind];
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);

    return n > m && strcasecmp(name + n - m, suffix) == 0;
}

enum bodyworn_container_kind bodyworn_container_kind(const char *name)
{
    struct bodyworn_name parts;

    if (strcmp(name, "System") == 0)
        return BODYWORN_SYSTEM;
    if (strcmp(name, "Users") == 0)
        return BODYWORN_USERS;
    if (strcmp(name, "Devices") == 0)
        return BODYWORN_DEVICES;
    if (strncmp(name, REJECTED_PREFIX, strlen(REJECTED_PREFIX)) == 0)
        return BODYWORN_REJECTED;
    return bodyworn_name_parse(name, &parts) ? BODYWORN_RECORDING : BODYWORN_OTHER;
}

enum bodyworn_object_kind bodyworn_object_kind(enum bodyworn_container_kind container, const char *name)
{
    if (container <= BODYWORN_DEVICES)
        return BODYWORN_SETTING;
    if (has_suffix(name, ".mkv") || has_suffix(name, ".mp4"))
        return BODYWORN_CLIP;
    if (has_suffix(name, ".key"))
        return BODYWORN_KEY;
    if (has_suffix(name, TRAIL_SUFFIX))
        return BODYWORN_TRAIL;
    return strncmp(name, BOOKMARK_PREFIX, strlen(BOOKMARK_PREFIX)) == 0 ? BODYWORN_BOOKMARK : BODYWORN_FILE;
}

/* ---- times in names ---- */

/* n digits at text. Return: whether they are there. */
static bool take_digits(const char **text, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        v = v * 10 + (**text - '0');
    }
    *ret = v;
    return true;
}

/* "YYYYMMDD", one of "T_-" and "HHMMSS", then perhaps Z: UTC. *text is moved behind it. */
static int64_t take_stamp(const char **text)
{
    struct civil c = {0};
    int64_t usec;

    if (!take_digits(text, 4, &c.year) || !take_digits(text, 2, &c.month) || !take_digits(text, 2, &c.day) ||
        !**text || !strchr("T_-", **text))
        return NO_TIME;
    (*text)++;
    if (!take_digits(text, 2, &c.hour) || !take_digits(text, 2, &c.minute) ||
        !take_digits(text, 2, &c.second) || civil_to_usec(NULL, &c, &usec) < 0)
        return NO_TIME;
    if (**text == 'Z')
        (*text)++;
    return usec;
}

int64_t bodyworn_clip_usec(const char *name)
{
    int64_t usec = take_stamp(&name);

    return *name == '_' || *name == '.' || !*name ? usec : NO_TIME;
}

/* The '_' that begins the time at the end of a container's name. */
static const char *stamp_of(const char *name)
{
    const char *last = strrchr(name, '_'), *before;

    if (last && strlen(last) < strlen("_20261123T090507")) { /* date and time apart */
        before = memrchr(name, '_', (size_t)(last - name));
        last = before;
    }
    return last;
}

bool bodyworn_name_parse(const char *name, struct bodyworn_name *ret)
{
    const char *stamp = stamp_of(name), *serial, *p;
    struct bodyworn_name n;

    if (!stamp || stamp == name)
        return false;
    p = stamp + 1;
    n.usec = take_stamp(&p);
    serial = memrchr(name, '_', (size_t)(stamp - name));
    if (n.usec == NO_TIME || *p || !serial || serial == name || serial + 1 == stamp ||
        (size_t)(serial - name) >= sizeof n.user || (size_t)(stamp - serial - 1) >= sizeof n.serial)
        return false;
    snprintf(n.user, sizeof n.user, "%.*s", (int)(serial - name), name);
    snprintf(n.serial, sizeof n.serial, "%.*s", (int)(stamp - serial - 1), serial + 1);
    *ret = n;
    return true;
}

/* ---- values ---- */

/* A decimal number of at most `before` digits in front of the point, as an integer × 10^places; digits beyond are cut.
 * *text is moved behind it. */
static int take_decimal(const char **text, int before, int places, int64_t *ret)
{
    const char *p = *text;
    bool negative = *p == '-';
    int64_t v = 0;
    int n = 0;

    p += *p == '-' || *p == '+';
    for (; *p >= '0' && *p <= '9'; p++, n++) {
        if (n == before)
            return -EINVAL;
        v = v * 10 + (*p - '0');
    }
    if (n == 0)
        return -EINVAL;
    if (*p == '.')
        p++;
    else
        n = -1;
    for (; n >= 0 && *p >= '0' && *p <= '9'; p++)
        if (places > 0) {
            v = v * 10 + (*p - '0');
            places--;
        }
    for (; places > 0; places--)
        v *= 10;
    *ret = negative ? -v : v;
    *text = p;
    return 0;
}

int bodyworn_time(const char *text, int64_t *ret_usec)
{
    size_t digits = strspn(text, "0123456789");
    const char *p = text;
    int64_t v;

    if (text[digits] == 0 && digits == 13) {
        if (take_decimal(&p, 13, 0, &v) < 0)
            return -EINVAL;
        *ret_usec = v * USEC_PER_MSEC;
        return 0;
    }
    if (digits > 0 && (text[digits] == 0 || text[digits] == '.')) {
        if (take_decimal(&p, 11, 6, &v) < 0 || *p)
            return -EINVAL;
        *ret_usec = v;
        return 0;
    }
    return calendar_parse(NULL, text, ret_usec, NULL);
}

static void skip_space(const char **text)
{
    *text += strspn(*text, " ,;\t");
}

static bool on_earth(int64_t latitude, int64_t longitude)
{
    return latitude >= -900000000 && latitude <= 900000000 && longitude >= -1800000000 &&
           longitude <= 1800000000;
}

int bodyworn_location(const char *text, struct bodyworn_location *ret)
{
    struct bodyworn_location l = {.accuracy_mm = -1, .usec = NO_TIME};
    const char *p = text;

    skip_space(&p);
    if (take_decimal(&p, 3, 7, &l.latitude) < 0 || !strchr(" ,;", *p))
        return -EINVAL;
    skip_space(&p);
    if (take_decimal(&p, 3, 7, &l.longitude) < 0 || (*p && !strchr(" ,;", *p)) ||
        !on_earth(l.latitude, l.longitude))
        return -EINVAL;
    skip_space(&p);
    if (*p && (take_decimal(&p, 9, 3, &l.accuracy_mm) < 0 || l.accuracy_mm < 0 || (*p && !strchr(" ,;", *p))))
        return -EINVAL;
    skip_space(&p);
    if (*p && bodyworn_time(p, &l.usec) < 0)
        return -EINVAL;
    *ret = l;
    return 0;
}

json_t *bodyworn_tags(const char *text)
{
    _cleanup_json_ json_t *o = json_object();

    while (o && *text) {
        size_t n = strcspn(text, ";");
        const char *colon = memchr(text, ':', n);
        char key[128], value[257];

        if (colon && colon > text && (size_t)(colon - text) < sizeof key) {
            snprintf(key, sizeof key, "%.*s", (int)(colon - text), text);
            snprintf(value, sizeof value, "%.*s", (int)(text + n - colon - 1), colon + 1);
            if (!json_object_get(o, key) && json_set_string(o, key, value) == -ENOMEM)
                return NULL;
        }
        text += n + (text[n] == ';');
    }
    return TAKE_PTR(o);
}

const char *bodyworn_value(const json_t *metadata, const char *key)
{
    const char *text = json_get_string(metadata, key);

    return text && *text ? text : NULL;
}

int64_t bodyworn_value_usec(const json_t *metadata, const char *key)
{
    const char *text = bodyworn_value(metadata, key);
    char iso[64];
    int64_t usec;

    if (text && bodyworn_time(text, &usec) == 0)
        return usec;
    snprintf(iso, sizeof iso, "%siso", key);
    text = bodyworn_value(metadata, iso);
    return text && bodyworn_time(text, &usec) == 0 ? usec : NO_TIME;
}

size_t bodyworn_limit(const char *key)
{
    static const struct {
        const char *key;
        size_t bytes;
    } limits[] = {
        {"name", 100},         {"userid", 100},           {"systemname", 100},        {"connectionid", 100},
        {"categoryname", 100}, {"triggeronlocation", 64}, {"triggerofflocation", 64}, {"tags", 256},
        {"mtime", 64}};

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        if (strcmp(limits[i].key, key) == 0)
            return limits[i].bytes;
    return 32;
}

/* ---- trails ---- */

/* "POINT(lon lat)", which is how WKT writes x and y. */
static bool parse_point(const char *text, int64_t *ret_latitude, int64_t *ret_longitude)
{
    if (strncasecmp(text, "POINT", 5) != 0)
        return false;
    text += 5;
    text += strspn(text, " ");
    if (*text++ != '(')
        return false;
    text += strspn(text, " ");
    if (take_decimal(&text, 3, 7, ret_longitude) < 0 || *text != ' ')
        return false;
    text += strspn(text, " ");
    if (take_decimal(&text, 3, 7, ret_latitude) < 0)
        return false;
    text += strspn(text, " ");
    return strcmp(text, ")") == 0 && on_earth(*ret_latitude, *ret_longitude);
}

/* One entry of a trail; NULL when it is none (or no memory is left). */
static json_t *trail_point(const json_t *entry)
{
    const char *wkt = json_get_string(entry, "LocationWKT"), *stamp = json_get_string(entry, "Timestamp");
    int64_t latitude, longitude, usec;
    json_t *o;

    if (!wkt || !parse_point(wkt, &latitude, &longitude))
        return NULL;
    o = json_pack("{s:I, s:I}", "latitude", (json_int_t)latitude, "longitude", (json_int_t)longitude);
    if (o && stamp && bodyworn_time(stamp, &usec) == 0 && json_set_integer(o, "time", usec) < 0)
        json_decref(TAKE_PTR(o));
    return o;
}

static json_t *trail_summary(const json_t *entries)
{
    _cleanup_json_ json_t *o = json_object(), *first = NULL, *last = NULL;
    size_t n = 0;
    int r = o ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < json_array_size(entries); i++) {
        json_t *point = trail_point(json_array_get(entries, i));

        if (!point)
            continue;
        n++;
        if (!first)
            first = json_incref(point);
        json_decref(last);
        last = point;
    }
    r = r < 0 ? r : json_set_integer(o, "points", (int64_t)n);
    if (r == 0 && n < json_array_size(entries))
        r = json_set_integer(o, "passed_over", (int64_t)(json_array_size(entries) - n));
    if (r == 0 && n > 0) {
        r = json_set_take(o, "first", TAKE_PTR(first));
        r = r < 0 ? r : json_set_take(o, "last", TAKE_PTR(last));
    }
    return r < 0 ? NULL : TAKE_PTR(o);
}

json_t *bodyworn_trail(const char *text, size_t size)
{
    _cleanup_json_ json_t *root = NULL;
    const json_t *entries;
    int r = json_parse(text, size, "trail", &root, NULL);

    if (r == -ENOMEM)
        return NULL;
    entries = json_get_array(root, "CoordinateEntries");
    if (r < 0 || !entries)
        return json_pack("{s:s}", "fault",
                         r < 0 ? "is not read: no JSON (it may be encrypted), or larger than 1 MiB"
                               : "is not read: it has no CoordinateEntries");
    return trail_summary(entries);
}

static bool trail_gpx_point(const json_t *entry, struct gpx_point *ret)
{
    const char *wkt = json_get_string(entry, "LocationWKT"), *stamp = json_get_string(entry, "Timestamp");

    *ret = (struct gpx_point){0};
    if (!wkt || !parse_point(wkt, &ret->lat_e7, &ret->lon_e7))
        return false;
    ret->has_time = stamp && bodyworn_time(stamp, &ret->usec) == 0;
    return gpx_point_clean(ret);
}

int bodyworn_trail_gpx(const char *text, size_t size, char **ret, struct error *err)
{
    _cleanup_json_ json_t *root = NULL;
    _cleanup_free_ char *gpx = NULL;
    const json_t *entries;
    json_t *entry;
    size_t i, n, points = 0;
    int r = json_parse(text, size, "trail", &root, err);

    if (r == -ENOMEM)
        return r;
    entries = json_get_array(root, "CoordinateEntries");
    if (r < 0 || !entries)
        return error_set(err, -EINVAL, "trail",
                         "is not read: no JSON with CoordinateEntries, or larger than 1 MiB");
    gpx = malloc(strlen(GPX_HEAD) + strlen(GPX_TAIL) + 1 + json_array_size(entries) * GPX_POINT_SIZE);
    if (!gpx)
        return -ENOMEM;
    n = (size_t)(stpcpy(gpx, GPX_HEAD) - gpx);
    json_array_foreach (entries, i, entry) {
        struct gpx_point p;

        if (trail_gpx_point(entry, &p)) {
            n += gpx_point_write(&p, gpx + n);
            points++;
        }
    }
    if (points == 0)
        return error_set(err, -ENODATA, "trail", "has no position in it");
    memcpy(gpx + n, GPX_TAIL, sizeof GPX_TAIL);
    *ret = TAKE_PTR(gpx);
    return 0;
}
