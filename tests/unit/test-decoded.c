/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What decoding shows of a recording: real clips made by ffmpeg (and a QR code by qrencode), opened and passed over as liuhen-media does it, without
 * its lock. Also a small program: with names of files as arguments it prints what it finds in each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "media/worker-av.h"
#include "media/worker-pass.h"
#include "temp-folder.h"

/* Everything that decoding shows of a file; NULL: it cannot be opened as a medium. */
static json_t *decoded_of(const char *path, const char *plan_text)
{
    _cleanup_json_ json_t *plan = json_loads(plan_text, 0, NULL);
    int (*const makers[])(const struct pass *, struct tap *) = {tap_black, tap_qr, tap_cadence, tap_signed,
                                                                tap_trail};
    struct tap taps[ARRAY_SIZE(makers)];
    const struct form *form;
    struct facts facts;
    struct pass pass;
    struct input in;
    json_t *ret = NULL;
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || input_init_fd(&in, fd, 0) < 0 || facts_init(&facts, 0) < 0)
        return NULL;
    form = sniff(&in);
    if (form && form->demuxer && pass_open(&pass, &in, form, plan, &facts) == 0) {
        for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
            int r = makers[i](&pass, &taps[n]);

            assert_true(r >= 0);
            n += r == 1;
        }
        assert_int_equal(pass_run(&pass, taps, n), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(taps[i].result, 0);
        assert_false(facts.failed);
        ret = json_incref(facts_decoded(&facts));
        pass_close(&pass);
    }
    facts_done(&facts);
    close(fd);
    return ret;
}

#define PLAN "{\"decoded\":{\"qr_msec\":10000,\"black\":true}}"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        _cleanup_json_ json_t *decoded = decoded_of(argv[i], PLAN);
        _cleanup_free_ char *text = decoded ? json_dumps(decoded, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

        printf("%s: %s\n", argv[i], text ? text : "-");
    }
    return 0;
}
