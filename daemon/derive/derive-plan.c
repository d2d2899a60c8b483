/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is made of a recording, as a plan for the media programs (media/PLAN.md). Pure.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "derive/derive-internal.h"

#define RECIPE_VERSION 1 /* raised when the programs make something else of the same plan */

struct derive_kind {
    const char *kind;
    const char *file;
    enum derive_what what;
};

/* In the order of the plan's files. */
static const struct derive_kind files[] = {
    {"video", "proxy.mp4", DERIVE_PROXY},       {"video", "poster.jpg", DERIVE_POSTER},
    {"video", "sprite.jpg", DERIVE_SPRITE},     {"video", "sprite.vtt", DERIVE_SPRITE},
    {"video", "peaks.json", DERIVE_PEAKS},      {"video", "trail.gpx", DERIVE_TRAIL},
    {"audio", "proxy.mp4", DERIVE_PROXY},       {"audio", "peaks.json", DERIVE_PEAKS},
    {"photo", "photo-large.jpg", DERIVE_PHOTO}, {"photo", "photo-small.jpg", DERIVE_PHOTO},
    {"document", "page-1.jpg", DERIVE_PAGES},   {"document", "page-2.jpg", DERIVE_PAGES},
    {"document", "page-3.jpg", DERIVE_PAGES},   {"document", "page-4.jpg", DERIVE_PAGES},
    {"document", "page-5.jpg", DERIVE_PAGES},   {"document", "page-6.jpg", DERIVE_PAGES},
    {"document", "page-7.jpg", DERIVE_PAGES},   {"document", "page-8.jpg", DERIVE_PAGES},
};

static bool is_wanted(const struct settings *s, enum derive_what what)
{
    return s->media.derive.make & (1u << what);
}

void derive_plan_done(struct derive_plan *p)
{
    json_decref(p->json);
    *p = (struct derive_plan){0};
}

static int name_files(const struct settings *s, const char *kind, struct derive_plan *p, json_t *list)
{
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        if (strcmp(files[i].kind, kind) != 0 || !is_wanted(s, files[i].what))
            continue;
        p->names.items[p->names.n++] = files[i].file;
        if (json_array_append_new(list, json_string(files[i].file)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static json_t *pack_moving(const struct settings *s, const char *kind)
{
    json_t *o = json_pack("{s:{s:b,s:b}, s:I}", "decoded", "black", 1, "silence", 1, "threads",
                          (json_int_t)s->media.derive.threads);
    bool video = strcmp(kind, "video") == 0;
    int r = o ? 0 : -ENOMEM;

    if (r == 0 && video)
        r = json_set_integer(json_object_get(o, "decoded"), "qr_msec", 10000);
    if (r == 0 && is_wanted(s, DERIVE_PROXY))
        r = json_set_take(o, "proxy",
                          json_pack("{s:I, s:i, s:s, s:i, s:b}", "height", (json_int_t)s->media.derive.height,
                                    "crf", 23, "preset", "veryfast", "keyframe_msec", 2000, "remux", 1));
    if (r == 0 && video && is_wanted(s, DERIVE_POSTER))
        r = json_set_take(o, "poster", json_pack("{s:i}", "width", 1280));
    if (r == 0 && video && is_wanted(s, DERIVE_SPRITE))
        r = json_set_take(o, "sprite",
                          json_pack("{s:i, s:i, s:i}", "width", 160, "tiles", 100, "least_msec", 2000));
    if (r == 0 && is_wanted(s, DERIVE_PEAKS))
        r = json_set_take(o, "peaks", json_pack("{s:i}", "points", 2000));
    if (r < 0)
        json_decref(o);
    return r < 0 ? NULL : o;
}

int derive_plan_make(const struct settings *s, const char *kind, bool stills, struct derive_plan *ret)
{
    _cleanup_(derive_plan_done) struct derive_plan p = {.program = stills ? MEDIA_STILLS : MEDIA_AV,
                                                        .verb = "derive"};
    _cleanup_json_ json_t *list = json_array();
    int r = list ? name_files(s, kind, &p, list) : -ENOMEM;

    if (r == 0 && p.names.n > 0) {
        if (strcmp(kind, "photo") == 0) {
            p.verb = stills ? "photo" : "derive";
            p.json = json_pack("{s:{s:i, s:i}}", "photo", "large", 2048, "small", 320);
        } else if (strcmp(kind, "document") == 0) {
            p.program = MEDIA_STILLS;
            p.verb = "pages";
            p.json = json_pack("{s:{s:i, s:i}}", "pages", "width", 1240, "count", 8);
        } else {
            p.json = pack_moving(s, kind);
        }
        r = p.json ? json_set_take(p.json, "files", TAKE_PTR(list)) : -ENOMEM;
    }
    if (r < 0)
        return r;
    *ret = p;
    p = (struct derive_plan){0};
    return 0;
}

int derive_plan_early(const struct settings *s, struct derive_plan *ret)
{
    _cleanup_(derive_plan_done) struct derive_plan p = {.program = MEDIA_AV, .verb = "derive"};
    int r = 0;

    if (is_wanted(s, DERIVE_PROXY)) {
        p.names.items[p.names.n++] = "proxy.mp4";
        p.json = pack_moving(s, "video");
        r = p.json ? json_set_take(p.json, "files", json_pack("[s]", "proxy.mp4")) : -ENOMEM;
        json_object_del(p.json, "decoded");
        r = r < 0 ? r : json_set_take(json_object_get(p.json, "proxy"), "copy_only", json_true());
    }
    if (r == 0 && p.json && is_wanted(s, DERIVE_POSTER)) {
        p.names.items[p.names.n++] = "poster.jpg";
        r = json_array_append_new(json_object_get(p.json, "files"), json_string("poster.jpg")) < 0 ? -ENOMEM
                                                                                                   : 0;
    }
    if (r < 0)
        return r;
    *ret = p;
    p = (struct derive_plan){0};
    return 0;
}

void derive_recipe(const struct settings *s, const char *kind, char out[DERIVE_RECIPE_MAX])
{
    int n = snprintf(out, DERIVE_RECIPE_MAX, "%d %s", RECIPE_VERSION, kind);

    for (size_t i = 0; i < ARRAY_SIZE(files) && n < DERIVE_RECIPE_MAX - 20; i++)
        if (strcmp(files[i].kind, kind) == 0 && is_wanted(s, files[i].what) &&
            (i == 0 || files[i].what != files[i - 1].what))
            n += snprintf(out + n, DERIVE_RECIPE_MAX - (size_t)n, " %.6s", files[i].file);
    if (strcmp(kind, "video") == 0 && is_wanted(s, DERIVE_PROXY))
        snprintf(out + n, DERIVE_RECIPE_MAX - (size_t)n, " %lld", (long long)s->media.derive.height);
}

const char *derive_type(const char *name, bool has_picture)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {{".jpg", "image/jpeg"},
                 {".vtt", "text/vtt"},
                 {".json", "application/json"},
                 {".gpx", "application/gpx+xml"},
                 {".mkv", "video/x-matroska"}};
    const char *dot = strrchr(name, '.');

    if (dot && strcmp(dot, ".mp4") == 0)
        return has_picture ? "video/mp4" : "audio/mp4";
    for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
        if (strcmp(dot, types[i].suffix) == 0)
            return types[i].type;
    return "";
}

int64_t derive_deadline(const struct settings *s, int64_t duration_usec)
{
    int64_t more, most = 366 * USEC_PER_DAY;

    if (duration_usec < 0 || __builtin_mul_overflow(duration_usec, s->media.derive.deadline_factor, &more) ||
        more > most)
        more = duration_usec < 0 ? 0 : most;
    return s->media.derive.deadline_usec + more;
}
