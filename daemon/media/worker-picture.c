/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pictures upright and as JPEG (see worker-picture.h).
 */
#include "media/worker-picture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include "media/worker-say.h"
#include "media/worker-shrink.h"

#define QUALITY 82

void picture_done(struct picture *p)
{
    free(p->rgb);
    *p = (struct picture){0};
}

/* How the pixel at (x, y) of the upright picture is found: in the stored one, from which corner and along which side the rows run. */
static const struct {
    bool swap, right, bottom; /* rows run down the stored columns; from the right; from the bottom */
} turns[9] = {{0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1}, {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};

int picture_orient(struct picture *p, int orientation)
{
    uint32_t w = p->width, h = p->height, to_w, to_h;
    uint8_t *rgb, *out;

    if (orientation < 2 || orientation > 8)
        return 0;
    to_w = turns[orientation].swap ? h : w;
    to_h = turns[orientation].swap ? w : h;
    rgb = out = malloc((size_t)w * h * 3);
    if (!rgb)
        return -ENOMEM;
    for (uint32_t y = 0; y < to_h; y++)
        for (uint32_t x = 0; x < to_w; x++, out += 3) {
            uint32_t sx = turns[orientation].swap ? y : x, sy = turns[orientation].swap ? x : y;

            if (turns[orientation].right)
                sx = w - 1 - sx;
            if (turns[orientation].bottom)
                sy = h - 1 - sy;
            memcpy(out, p->rgb + ((size_t)sy * w + sx) * 3, 3);
        }
    free(p->rgb);
    *p = (struct picture){to_w, to_h, rgb, NULL};
    return 0;
}

struct failure {
    struct jpeg_error_mgr base;
    jmp_buf back;
};

static void on_error(j_common_ptr c)
{
    longjmp(((struct failure *)c->err)->back, 1);
}

static void on_message(j_common_ptr c)
{
}

/* Into memory, new. Return: 0 or -ENOMEM (nothing else can fail here). */
static int encode(const struct picture *p, unsigned char **ret, unsigned long *ret_size)
{
    struct jpeg_compress_struct c = {0};
    struct failure failure;

    *ret = NULL;
    c.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = on_error;
    failure.base.output_message = on_message;
    if (setjmp(failure.back)) {
        jpeg_destroy_compress(&c);
        free(*ret);
        *ret = NULL;
        return -ENOMEM;
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, ret, ret_size);
    c.image_width = p->width;
    c.image_height = p->height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, QUALITY, TRUE);
    c.optimize_coding = TRUE;
    jpeg_start_compress(&c, TRUE);
    if (p->comment)
        jpeg_write_marker(&c, JPEG_COM, (const JOCTET *)p->comment, (unsigned)strlen(p->comment));
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = p->rgb + (size_t)c.next_scanline * p->width * 3;

        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return 0;
}

int job_write_file(struct job *job, const char *name, const void *data, size_t size)
{
    int file = plan_file(job->plan, name);

    if (file < 0)
        return -EINVAL;
    if (size > job->file_bytes)
        return -EFBIG;
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(plan_fd(file), (const char *)data + done, size - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    say_output((unsigned)file, size);
    return 0;
}

/* What became of a file, in the answer. */
static int note_file(struct job *job, const struct picture *p, const char *name, const char *message)
{
    json_t *file = facts_file(&job->facts, name);

    if (!file || json_set_integer(file, "width", p->width) < 0 ||
        json_set_integer(file, "height", p->height) < 0 || json_set_string(file, "how", "encoded") < 0)
        return -ENOMEM;
    if (message && *message)
        facts_file_message(&job->facts, name, "%s", message);
    return 0;
}

int picture_write(struct job *job, const struct picture *p, const char *name, const char *message)
{
    _cleanup_free_ unsigned char *data = NULL;
    unsigned long size = 0;
    int r = encode(p, &data, &size);

    say_beat();
    if (r == 0)
        r = job_write_file(job, name, data, size);
    return r == 0 ? note_file(job, p, name, message) : r;
}

/* The rows of the plan's sizes: file and key. */
static const struct {
    const char *file, *key;
} sizes[] = {{"photo-large.jpg", "large"}, {"photo-small.jpg", "small"}};

static uint32_t size_wanted(const struct job *job, size_t i)
{
    const json_t *photo = json_get_object(job->plan, "photo");
    int64_t side = photo ? json_get_integer(photo, sizes[i].key, 0) : 0;

    if (plan_file(job->plan, sizes[i].file) < 0 || side < 1)
        return 0;
    return (uint32_t)MIN(side, (int64_t)PICTURE_SIDE_MAX);
}

uint32_t picture_wanted(const struct job *job)
{
    uint32_t longest = 0;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        longest = MAX(longest, size_wanted(job, i));
    return longest;
}

void picture_say_none(struct job *job, const char *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if (size_wanted(job, i))
            facts_file_message(&job->facts, sizes[i].file, "%s", why);
}

static int write_size(struct job *job, const struct picture *p, const char *name, uint32_t longest,
                      const char *message)
{
    struct picture small = {0};
    struct shrink s;
    int r;

    shrink_fit(p->width, p->height, longest, &small.width, &small.height);
    if (small.width == p->width && small.height == p->height)
        return picture_write(job, p, name, message);
    r = shrink_init(&s, p->width, p->height, 3, 8, small.width, small.height);
    if (r < 0)
        return r;
    for (uint32_t y = 0; y < p->height; y++)
        shrink_row(&s, p->rgb + (size_t)y * p->width * 3);
    small.rgb = s.result;
    r = picture_write(job, &small, name, message);
    shrink_done(&s);
    return r;
}

int picture_write_sizes(struct job *job, const struct picture *p, const char *message)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sizes); i++) {
        uint32_t longest = size_wanted(job, i);

        if (longest)
            r = write_size(job, p, sizes[i].file, longest, message);
    }
    return r;
}
