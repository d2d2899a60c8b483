/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the reading of photos over memory and without the lock: JPEG through libjpeg, PNG through libpng, the chunks of WebP, the tags of
 * TIFF, and ICC profiles in them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media/worker-still.h"

#define BUDGET_USEC (2 * USEC_PER_SEC)

static void read_one(struct input *in, struct facts *f)
{
    const struct form *form = sniff(in);
    struct picture p = {0};
    char why[STILL_WHY_MAX] = "";
    uint8_t *first = NULL;
    size_t size;

    if (!form)
        return;
    if (strcmp(form->container, "jpeg") == 0)
        jpeg_read_picture(in, f, 64, &p, why);
    else if (strcmp(form->container, "png") == 0)
        png_read_picture(in, f, 64, &p, why);
    else if (strcmp(form->container, "tiff") == 0)
        tiff_orientation(in);
    else if (strcmp(form->container, "webp") == 0) {
        webp_exif(in, f);
        if (webp_first_picture(in, &first, &size) > 0 && size < 12)
            abort();
    }
    if (p.rgb && (p.width > 64 || p.height > 64 || picture_orient(&p, 6) < 0))
        abort();
    picture_done(&p);
    free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int nowhere = -1;
    struct facts f;
    struct input in;

    if (nowhere < 0) {
        nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, WORKER_FD_OUTPUT);
    }
    input_init_memory(&in, data, size, BUDGET_USEC);
    if (facts_init(&f, 0) < 0)
        return 0;
    read_one(&in, &f);
    facts_done(&f);
    return 0;
}
