/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trying the hardware (see hardware.h).
 */
#include "media/hardware.h"

#include <errno.h>
#include <string.h>

#include "media/run.h"

int hardware_check(const char *path, const char *name, struct error *err)
{
    static const char is_static[] = "linked static";
    char version[160];
    size_t n;

    if (strcmp(name, "none") == 0 || media_version(path, version, sizeof version) < 0)
        return 0;
    n = strlen(version);
    if (n < sizeof is_static || strcmp(version + n - strlen(is_static), is_static) != 0)
        return 0;
    return error_set(err, -EINVAL, "media.derive.hardware",
                     "is %s, but %s is linked statically and drives no hardware; set it to none, or install "
                     "one that was built with MEDIA_LINK=shared",
                     name, path);
}

json_t *hardware_plan(const struct hardware *h)
{
    json_t *o = json_pack("{s:s, s:b, s:b}", "kind", h->name, "decode", h->decodes, "encode", h->encodes);

    if (o && h->device && json_set_string(o, "device", h->device) < 0) {
        json_decref(o);
        o = NULL;
    }
    return o;
}

static void describe(struct hardware *h, const char *said)
{
    if (h->decodes && h->encodes)
        snprintf(h->message, sizeof h->message, "%s decodes and encodes", h->name);
    else if (h->decodes || h->encodes)
        snprintf(h->message, sizeof h->message, "%s %s; the rest is done in software: %.200s", h->name,
                 h->decodes ? "decodes" : "encodes", said);
    else
        snprintf(h->message, sizeof h->message, "%s is not used, software is: %.240s", h->name, said);
}

static void judge(int r, const struct media_result *result, const struct error *err, struct hardware *ret)
{
    const json_t *media = r == 0 && result->answer ? json_get_object(result->answer, "media") : NULL;
    const char *kind = json_get_string(media, "hardware");
    bool is_it = kind && strcmp(kind, ret->name) == 0;

    ret->decodes = is_it && json_get_bool(media, "hardware_decodes", false);
    ret->encodes = is_it && json_get_bool(media, "hardware_encodes", false);
    describe(ret, r < 0 ? err->text : result->message[0] ? result->message : "it gave no answer");
    if (!ret->decodes && !ret->encodes)
        ret->name = NULL;
}

void hardware_try(const char *path, const char *name, const char *device, struct hardware *ret)
{
    struct media_result result = {0};
    struct error err = ERROR_INIT;
    _cleanup_json_ json_t *plan = NULL;
    int r;

    *ret = (struct hardware){.message = "none"};
    if (strcmp(name, "none") == 0)
        return;
    *ret = (struct hardware){
        .name = name, .device = device && *device ? device : NULL, .decodes = true, .encodes = true};
    plan = json_object();
    r = json_set_take(plan, "hardware", hardware_plan(ret));
    if (r < 0)
        error_set(&err, r, "", "out of memory");
    else
        r = media_run(path,
                      &(struct media_request){
                          .program = MEDIA_AV,
                          .verb = "hardware",
                          .input = -1,
                          .plan = plan,
                          .limits = {.memory_bytes = UINT64_C(4) << 30, .threads = HARDWARE_THREADS + 1}},
                      &result, &err);
    judge(r, &result, &err, ret);
    media_result_done(&result);
}
