/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trying the hardware (see hardware.h).
 */
#include "media/hardware.h"

#include <errno.h>
#include <string.h>

#include "media/run.h"

static void judge(int r, const struct media_result *result, const struct error *err, const char *name,
                  struct hardware *ret)
{
    const char *said = r == 0 && result->answer
                           ? json_get_string(json_get_object(result->answer, "media"), "hardware")
                           : NULL;

    if (said && strcmp(said, name) == 0) {
        ret->name = name;
        snprintf(ret->message, sizeof ret->message, "%s", name);
        return;
    }
    snprintf(ret->message, sizeof ret->message, "%s is not used, software is: %.240s", name,
             r < 0                ? err->text
             : result->message[0] ? result->message
                                  : "it gave no answer");
}

void hardware_try(const char *path, const char *name, struct hardware *ret)
{
    struct media_result result = {0};
    struct error err = ERROR_INIT;
    _cleanup_json_ json_t *plan = NULL;
    int r;

    *ret = (struct hardware){.message = "none"};
    if (strcmp(name, "none") == 0)
        return;
    plan = json_pack("{s:s}", "hardware", name);
    r = !plan
            ? error_set(&err, -ENOMEM, "", "out of memory")
            : media_run(path,
                        &(struct media_request){.program = MEDIA_AV,
                                                .verb = "hardware",
                                                .input = -1,
                                                .plan = plan,
                                                .limits = {.memory_bytes = UINT64_C(4) << 30, .threads = 16}},
                        &result, &err);
    judge(r, &result, &err, name, ret);
    media_result_done(&result);
}
