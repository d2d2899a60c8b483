/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PNG (ISO/IEC 15948) to a small picture through libpng (see worker-still.h), row by row, so that what comes before a fault is shown. An
 * interlaced one needs all its rows in memory and is bounded. Of an animation the first picture is shown.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "media/worker-say.h"
#include "media/worker-still.h"

#define INTERLACED_MAX (UINT64_C(100) << 20) /* pixels */
#define CHUNK_MAX      (8u << 20)

struct reading {
    png_structp png;
    png_infop info;
    struct input *in;
    uint64_t at;
    bool shrinking, broken;
    struct shrink shrink;
    uint8_t *rows; /* RGBA: one row, or all of an interlaced picture */
    char text[96];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct reading *r = png_get_error_ptr(png);

    if (r->text[0] == 0)
        snprintf(r->text, sizeof r->text, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
}

static void on_read(png_structp png, png_bytep out, size_t size)
{
    struct reading *r = png_get_io_ptr(png);

    if (input_expired(r->in) || !input_get(r->in, out, size, r->at))
        png_error(png, "the data end too early");
    r->at += size;
}

/* Whatever is stored comes as 8 bit RGBA. */
static void set_form(struct reading *r)
{
    int type = png_get_color_type(r->png, r->info);

    png_set_expand(r->png);
    png_set_scale_16(r->png);
    if (!(type & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(r->png);
    png_set_add_alpha(r->png, 0xFF, PNG_FILLER_AFTER);
}

static void take_row(struct reading *r, uint8_t *rgba)
{
    still_on_white(rgba, rgba, r->shrink.width);
    shrink_row(&r->shrink, rgba);
    say_beat();
}

/* Every pass paints over the one before, so that a picture that is cut off is there coarsely. Ends by longjmp. */
static void read_interlaced(struct reading *r, int passes)
{
    size_t stride = (size_t)r->shrink.width * 4;

    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < r->shrink.height; y++) {
            png_read_row(r->png, NULL, r->rows + y * stride);
            say_beat();
        }
}

static int begin(struct reading *r, uint32_t longest, int *ret_passes)
{
    /* nobody reads them, and a few bytes of them unfold to megabytes */
    static const png_byte texts[] = "tEXt\0zTXt\0iTXt";
    uint32_t width, height, w, h;
    int e;

    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, SHRINK_SIDE_MAX, SHRINK_SIDE_MAX);
    png_set_chunk_malloc_max(r->png, CHUNK_MAX);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, texts, 3);
    png_set_crc_action(r->png, PNG_CRC_QUIET_USE, PNG_CRC_WARN_DISCARD);
    png_read_info(r->png, r->info);
    width = png_get_image_width(r->png, r->info);
    height = png_get_image_height(r->png, r->info);
    *ret_passes = png_set_interlace_handling(r->png);
    set_form(r);
    png_read_update_info(r->png, r->info);
    if (*ret_passes > 1 && (uint64_t)width * height > INTERLACED_MAX) {
        snprintf(r->text, sizeof r->text, "%u × %u interlaced pixels are more than is taken into memory",
                 width, height);
        return -EBADMSG;
    }
    shrink_fit(width, height, longest, &w, &h);
    e = shrink_init(&r->shrink, width, height, 3, 8, w, h);
    if (e < 0)
        return e == -ENOMEM ? e : -EBADMSG;
    r->rows = calloc((size_t)width * 4, *ret_passes > 1 ? height : 1);
    r->shrinking = r->rows != NULL;
    return r->rows ? 0 : -ENOMEM;
}

static int decode(struct reading *r, uint32_t longest)
{
    int passes, e = begin(r, longest, &passes);

    if (e < 0)
        return e;
    if (passes > 1)
        read_interlaced(r, passes);
    else
        while (r->shrink.row < r->shrink.height) {
            png_read_row(r->png, r->rows, NULL);
            take_row(r, r->rows);
        }
    return 0;
}

/* The rows of an interlaced picture, and what is missing of any. */
static void finish(struct reading *r)
{
    if (png_get_interlace_type(r->png, r->info) != PNG_INTERLACE_NONE)
        for (uint32_t y = 0; y < r->shrink.height; y++)
            take_row(r, r->rows + (size_t)y * r->shrink.width * 4);
    if (r->shrink.row < r->shrink.height)
        still_fill_rest(&r->shrink);
}

static int read_picture(struct reading *r, uint32_t longest, struct picture *ret)
{
    volatile int result = -EBADMSG;
    png_bytep profile = NULL;
    png_charp name;
    png_uint_32 size = 0;
    int method;

    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info)
        return -ENOMEM;
    if (setjmp(png_jmpbuf(r->png)) == 0)
        result = decode(r, longest);
    else if (r->shrinking) { /* what came before the fault is there */
        r->broken = true;
        result = 0;
    }
    if (result != 0)
        return result;
    finish(r);
    *ret = (struct picture){r->shrink.into_width, r->shrink.into_height, TAKE_PTR(r->shrink.result), NULL};
    if (png_get_iCCP(r->png, r->info, &name, &method, &profile, &size))
        picture_to_srgb(profile, size, ret->rgb, 3, ret->rgb, (size_t)ret->width * ret->height);
    return 0;
}

int png_read_picture(struct input *in, struct facts *f, uint32_t longest, struct picture *ret,
                     char why[STILL_WHY_MAX])
{
    struct reading *r = calloc(1, sizeof *r);
    int result;

    if (!r)
        return -ENOMEM;
    r->in = in;
    result = read_picture(r, longest, ret);
    if (result == -EBADMSG)
        snprintf(why, STILL_WHY_MAX, "the picture cannot be decoded: %s",
                 r->text[0] ? r->text : "it is too large");
    else if (result == 0 && r->broken)
        facts_damage(f, "the picture's data are broken or missing in places: those are shown gray");
    png_destroy_read_struct(&r->png, &r->info, NULL);
    shrink_done(&r->shrink);
    free(r->rows);
    free(r);
    return result;
}
