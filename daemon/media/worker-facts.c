/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The builder of facts (see worker-facts.h). What comes in is hostile: every text is cut to valid UTF-8 without control
 * characters, every list is bounded, so that the answer always fits and never upsets a terminal or a page.
 */
#include "media/worker-facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/encode.h"

int facts_init(struct facts *f, int64_t now_usec)
{
    *f = (struct facts){.media = json_object(), .kind = "data", .now_usec = now_usec};
    return f->media ? 0 : -ENOMEM;
}

void facts_done(struct facts *f)
{
    json_decref(f->media);
    json_decref(f->decoded);
    json_decref(f->files);
    *f = (struct facts){0};
}

static void note(struct facts *f, int r)
{
    if (r < 0)
        f->failed = true;
}

/* Cuts text at max bytes and replaces what is not printable UTF-8; trims blanks. Return: length written. */
static size_t clean_text(const char *text, size_t size, size_t max, char *out)
{
    size_t n = 0, i = 0;

    while (i < size && text[i]) {
        size_t len = utf8_sequence_length((const uint8_t *)text + i, size - i);
        bool control = len == 1 ? (uint8_t)text[i] < 0x20 || text[i] == 0x7F
                                : len == 2 && (uint8_t)text[i] == 0xC2 && (uint8_t)text[i + 1] < 0xA0;
        char c = control ? ' ' : '?';

        if (n + MAX(len, 1u) > max)
            break;
        if (len == 0 || control)
            out[n++] = c;
        else {
            memcpy(out + n, text + i, len);
            n += len;
        }
        i += MAX(len, 1u);
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    for (i = 0; i < n && out[i] == ' ';)
        i++;
    memmove(out, out + i, n - i);
    out[n - i] = 0;
    return n - i;
}

void facts_integer(struct facts *f, const char *key, int64_t value)
{
    note(f, json_set_integer(f->media, key, value));
}

void facts_text(struct facts *f, json_t *object, const char *key, const char *text, size_t size)
{
    char clean[FACTS_TEXT_MAX + 1];

    if (text && clean_text(text, size, FACTS_TEXT_MAX, clean) > 0)
        note(f, json_set_string(object, key, clean));
}

static json_t *child(struct facts *f, const char *key, bool array)
{
    json_t *c = json_object_get(f->media, key);

    if (c)
        return c;
    note(f, json_set_take(f->media, key, array ? json_array() : json_object()));
    return json_object_get(f->media, key);
}

/* Sets text in a child object, but does not leave an empty object behind. First value wins. */
static void child_text(struct facts *f, const char *name, size_t limit, const char *key, const char *text,
                       size_t size)
{
    char clean[FACTS_TEXT_MAX + 1];
    json_t *c;

    if (!text || clean_text(text, size, FACTS_TEXT_MAX, clean) == 0)
        return;
    c = child(f, name, false);
    if (c && json_object_size(c) < limit && !json_object_get(c, key))
        note(f, json_set_string(c, key, clean));
}

void facts_tag(struct facts *f, const char *key, const char *text, size_t size)
{
    child_text(f, "tags", FACTS_TAGS_MAX, key, text, size);
}

void facts_device(struct facts *f, const char *key, const char *text, size_t size)
{
    child_text(f, "device", 3, key, text, size);
}

void facts_gps(struct facts *f, int64_t lat_e7, int64_t lon_e7, const int64_t *alt_mm)
{
    json_t *gps;

    if (lat_e7 < -900000000 || lat_e7 > 900000000 || lon_e7 < -1800000000 || lon_e7 > 1800000000)
        return;
    if ((lat_e7 == 0 && lon_e7 == 0) || json_object_get(f->media, "gps"))
        return;
    gps = child(f, "gps", false);
    if (!gps)
        return;
    note(f, json_set_integer(gps, "lat_e7", lat_e7));
    note(f, json_set_integer(gps, "lon_e7", lon_e7));
    if (alt_mm && *alt_mm > -20000000 && *alt_mm < 100000000)
        note(f, json_set_integer(gps, "alt_mm", *alt_mm));
}

void facts_damage(struct facts *f, const char *format, ...)
{
    char raw[512], clean[FACTS_REASON_MAX + 1];
    json_t *list = child(f, "damage", true), *text;
    va_list ap;
    size_t i;

    va_start(ap, format);
    vsnprintf(raw, sizeof raw, format, ap);
    va_end(ap);
    clean_text(raw, strlen(raw), FACTS_REASON_MAX, clean);
    if (json_array_size(list) >= FACTS_DAMAGE_MAX)
        return;
    json_array_foreach (list, i, text)
        if (strcmp(json_string_value(text), clean) == 0)
            return;
    if (json_array_append_new(list, json_string(clean)) < 0)
        f->failed = true;
}

void facts_reading(struct facts *f, const struct input *in)
{
    if (in->read_errno)
        facts_damage(f, "read error at byte %" PRIu64 ": %s", in->read_error_at, strerror(in->read_errno));
    if (input_expired(in))
        facts_damage(f, "the examination took too long and was not finished");
}

bool facts_is_damaged(const struct facts *f)
{
    return json_object_get(f->media, "damage") != NULL;
}

void facts_stream(struct facts *f, json_t *stream)
{
    json_t *list = child(f, "streams", true);

    if (!stream || json_array_size(list) < FACTS_STREAMS_MAX) {
        if (json_array_append_new(list, stream) < 0)
            f->failed = true;
        return;
    }
    json_decref(stream);
    note(f, json_set_integer(f->media, "streams_total",
                             json_get_integer(f->media, "streams_total", FACTS_STREAMS_MAX) + 1));
}

json_t *facts_decoded(struct facts *f)
{
    if (!f->decoded)
        f->decoded = json_object();
    f->failed |= !f->decoded;
    return f->decoded;
}

void facts_decoded_pair(struct facts *f, const char *list, size_t max, int64_t a, int64_t b)
{
    json_t *decoded = facts_decoded(f), *l = decoded ? json_object_get(decoded, list) : NULL;

    if (decoded && !l) {
        note(f, json_set_take(decoded, list, json_array()));
        l = json_object_get(decoded, list);
    }
    if (l && json_array_size(l) < max &&
        json_array_append_new(l, json_pack("[I,I]", (json_int_t)a, (json_int_t)b)) < 0)
        f->failed = true;
}

json_t *facts_file(struct facts *f, const char *name)
{
    json_t *file = NULL;
    size_t i;

    if (!f->files)
        f->files = json_array();
    json_array_foreach (f->files, i, file)
        if (strcmp(json_get_string(file, "name"), name) == 0)
            return file;
    file = json_pack("{s:s}", "name", name);
    if (json_array_append_new(f->files, file) == 0)
        return file;
    f->failed = true;
    return NULL;
}

void facts_file_message(struct facts *f, const char *name, const char *format, ...)
{
    json_t *file = facts_file(f, name);
    char raw[512], clean[FACTS_REASON_MAX + 1];
    va_list ap;

    if (!file || json_get_string(file, "message"))
        return;
    va_start(ap, format);
    vsnprintf(raw, sizeof raw, format, ap);
    va_end(ap);
    clean_text(raw, strlen(raw), FACTS_REASON_MAX, clean);
    note(f, json_set_string(file, "message", clean));
}

/* Copies the first reasons into the message. */
static void damage_message(struct facts *f)
{
    const json_t *list = json_object_get(f->media, "damage");
    size_t i, n = 0;
    json_t *text;

    if (f->message[0])
        return;
    json_array_foreach (list, i, text) {
        size_t len = json_string_length(text);

        if (n + len + 3 > sizeof f->message)
            return;
        n += (size_t)snprintf(f->message + n, sizeof f->message - n, "%s%s", n ? "; " : "",
                              json_string_value(text));
    }
}

/* Drops members, those that matter least first, until the object fits. */
static int fit(json_t *object, size_t max, const char *const spare[], size_t n)
{
    for (size_t i = 0; i <= n; i++) {
        _cleanup_free_ char *text = NULL;
        int r = json_canonical(object, &text);

        if (r < 0 || strlen(text) <= max)
            return r;
        if (i < n)
            json_object_del(object, spare[i]);
    }
    return -ENOMEM;
}

static int fit_all(struct facts *f)
{
    static const char *const media[] = {"tags", "times", "streams"}, *const decoded[] = {"jumps", "gaps",
                                                                                         "silence", "black",
                                                                                         "qr"};
    int r = fit(f->media, FACTS_MEDIA_MAX, media, ARRAY_SIZE(media));

    return r == 0 && f->decoded ? fit(f->decoded, FACTS_DECODED_MAX, decoded, ARRAY_SIZE(decoded)) : r;
}

int facts_answer(struct facts *f, char **ret)
{
    _cleanup_json_ json_t *answer = json_object();
    const char *status;
    int r;

    facts_write_times(f);
    status = facts_is_damaged(f) ? "damaged" : f->unknown ? "unknown" : "ok";
    damage_message(f);
    if (f->failed || !answer)
        return -ENOMEM;
    r = fit_all(f);
    if (r < 0)
        return r;
    r = json_set_string(answer, "status", status);
    if (r == 0)
        r = json_set_string(answer, "kind", f->kind);
    if (r == 0)
        r = json_set_string(answer, "message", f->message);
    if (r == 0)
        r = json_set_take(answer, "media", json_incref(f->media));
    if (r == 0 && f->decoded)
        r = json_set_take(answer, "decoded", json_incref(f->decoded));
    if (r == 0 && f->files)
        r = json_set_take(answer, "files", json_incref(f->files));
    return r < 0 ? r : json_canonical(answer, ret);
}
