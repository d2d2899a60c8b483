/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JPEG (ITU-T T.81) to a small picture through libjpeg (see worker-still.h). A JPEG of one scan passes through in rows, whatever its size;
 * one of many scans needs all its coefficients in memory, so those are bounded. What is broken or missing is gray, as libjpeg leaves
 * it, and noted as damage.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "media/worker-say.h"
#include "media/worker-shrink.h"
#include "media/worker-still.h"

#define BUFFER           65536
#define COEFFICIENTS_MAX (UINT64_C(640) << 20) /* bytes; 200 megapixels with halved colour */
#define SCANS_MAX        100                   /* encoders make a dozen */
#define HEADER_MAX       (UINT64_C(32) << 20)  /* bytes before the picture; profiles are kept in memory */

struct reading {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    struct input *in;
    uint64_t at;
    bool stopped; /* no more is read: too late, or too many scans */
    bool broken;
    bool in_header;
    bool shrinking;
    struct shrink shrink;
    uint8_t *row;
    JOCTET *profile; /* ICC */
    unsigned profile_size;
    uint8_t buffer[BUFFER];
    char text[JMSG_LENGTH_MAX]; /* of the error that ended it */
};

static void on_error(j_common_ptr c)
{
    struct reading *r = c->client_data;

    c->err->format_message(c, r->text);
    longjmp(r->back, 1);
}

/* Warnings that mean lost picture data; others are about habits of encoders. */
static void on_emit(j_common_ptr c, int level)
{
    struct reading *r = c->client_data;
    int code = c->err->msg_code;

    if (level < 0 &&
        (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_JPEG_EOF ||
         code == JWRN_MUST_RESYNC || code == JWRN_NOT_SEQUENTIAL || code == JWRN_BOGUS_PROGRESSION))
        r->broken = true;
}

static void on_message(j_common_ptr c)
{
}

static void on_init(j_decompress_ptr c)
{
}

/* Where there is no more, an end marker is: then libjpeg shows what it has. */
static boolean on_fill(j_decompress_ptr c)
{
    static const JOCTET end[2] = {0xFF, JPEG_EOI};
    struct reading *r = c->client_data;
    bool no_more = r->stopped || (r->in_header && r->at > HEADER_MAX) || input_expired(r->in);
    ssize_t n = no_more ? 0 : input_pread(r->in, r->buffer, BUFFER, r->at);

    if (n <= 0) {
        r->broken = true;
        c->src->next_input_byte = end;
        c->src->bytes_in_buffer = sizeof end;
        return TRUE;
    }
    r->at += (uint64_t)n;
    c->src->next_input_byte = r->buffer;
    c->src->bytes_in_buffer = (size_t)n;
    return TRUE;
}

static void on_skip(j_decompress_ptr c, long n)
{
    struct reading *r = c->client_data;

    if (n <= 0)
        return;
    if ((size_t)n > c->src->bytes_in_buffer) {
        r->at += (size_t)n - c->src->bytes_in_buffer;
        c->src->bytes_in_buffer = 0;
        return;
    }
    c->src->next_input_byte += n;
    c->src->bytes_in_buffer -= (size_t)n;
}

/* Between rows of blocks while scans are absorbed: the one place to stop a picture of thousands of tiny scans. */
static void on_progress(j_common_ptr common)
{
    struct reading *r = common->client_data;

    say_beat();
    if (!r->stopped && (r->c.input_scan_number > SCANS_MAX || input_expired(r->in))) {
        r->stopped = r->broken = true;
        r->source.bytes_in_buffer = 0;
    }
}

static void start(struct reading *r)
{
    r->c.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_emit;
    r->errors.output_message = on_message;
    r->c.client_data = r;
    jpeg_create_decompress(&r->c);
    r->source = (struct jpeg_source_mgr){.init_source = on_init,
                                         .fill_input_buffer = on_fill,
                                         .skip_input_data = on_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = on_init};
    r->c.src = &r->source;
    r->progress.progress_monitor = on_progress;
    r->c.progress = &r->progress;
    jpeg_save_markers(&r->c, JPEG_APP0 + 2, 0xFFFF);
    r->in_header = true;
    jpeg_read_header(&r->c, TRUE);
    r->in_header = false;
}

static uint64_t coefficient_bytes(const struct reading *r)
{
    uint64_t n = 0;

    for (int i = 0; i < r->c.num_components; i++)
        n +=
            (uint64_t)r->c.comp_info[i].width_in_blocks * r->c.comp_info[i].height_in_blocks * sizeof(JBLOCK);
    return n;
}

/* Return: whether these are colours we know. */
static bool choose_colours(struct reading *r)
{
    switch (r->c.num_components) {
    case 1:
        r->c.out_color_space = JCS_GRAYSCALE;
        return true;
    case 3:
        r->c.out_color_space = JCS_RGB;
        return true;
    case 4:
        r->c.out_color_space = JCS_CMYK;
        return true;
    default:
        return false;
    }
}

/* The least of eighths that is still as large as asked for. */
static void choose_scale(struct reading *r, uint32_t longest)
{
    uint64_t side = MAX(r->c.image_width, r->c.image_height);

    r->c.scale_denom = 8;
    for (r->c.scale_num = 1; r->c.scale_num < 8 && (side * r->c.scale_num + 7) / 8 < longest;)
        r->c.scale_num++;
}

/* Ends by longjmp when libjpeg gives up. Return: 0, -EBADMSG with text, -ENOMEM. */
static int decode(struct reading *r, uint32_t longest)
{
    uint32_t w, h;
    int e;

    start(r);
    if (!choose_colours(r)) {
        snprintf(r->text, sizeof r->text, "%d colour components are none that a photo has",
                 r->c.num_components);
        return -EBADMSG;
    }
    if (jpeg_has_multiple_scans(&r->c) && coefficient_bytes(r) > COEFFICIENTS_MAX) {
        snprintf(r->text, sizeof r->text,
                 "%u × %u pixels in several scans are more than is taken into memory", r->c.image_width,
                 r->c.image_height);
        return -EBADMSG;
    }
    jpeg_read_icc_profile(&r->c, &r->profile, &r->profile_size);
    choose_scale(r, longest);
    jpeg_start_decompress(&r->c);
    shrink_fit(r->c.output_width, r->c.output_height, longest, &w, &h);
    e = shrink_init(&r->shrink, r->c.output_width, r->c.output_height, (unsigned)r->c.output_components, 8, w,
                    h);
    if (e < 0)
        return e == -ENOMEM ? e : -EBADMSG;
    r->shrinking = true;
    r->row = malloc((size_t)r->c.output_width * (size_t)r->c.output_components);
    if (!r->row)
        return -ENOMEM;
    while (r->c.output_scanline < r->c.output_height &&
           !(r->c.output_scanline % 32 == 0 && input_expired(r->in))) {
        jpeg_read_scanlines(&r->c, &r->row, 1);
        shrink_row(&r->shrink, r->row);
        say_beat();
    }
    return 0;
}

/* Ink (255: full) to light, where no profile says better. */
static void ink_to_rgb(const uint8_t *ink, uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++, ink += 4, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)((255 - ink[c]) * (255 - ink[3]) / 255);
}

static void gray_to_rgb(const uint8_t *gray, uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3)
        memset(rgb, gray[i], 3);
}

/* The samples that were shrunk as sRGB, in new memory. Return: 0 or -ENOMEM. */
static int colour(struct reading *r, struct picture *ret)
{
    struct shrink *s = &r->shrink;
    size_t pixels = (size_t)s->into_width * s->into_height;
    uint8_t *rgb = malloc(pixels * 3);

    if (!rgb)
        return -ENOMEM;
    if (s->channels == 4 && r->c.saw_Adobe_marker) /* Adobe writes light where others write ink */
        for (size_t i = 0; i < pixels * 4; i++)
            s->result[i] = (uint8_t)(255 - s->result[i]);
    if (!r->profile || !picture_to_srgb(r->profile, r->profile_size, s->result, s->channels, rgb, pixels)) {
        if (s->channels == 3)
            memcpy(rgb, s->result, pixels * 3);
        else if (s->channels == 1)
            gray_to_rgb(s->result, rgb, pixels);
        else
            ink_to_rgb(s->result, rgb, pixels);
    }
    *ret = (struct picture){s->into_width, s->into_height, rgb, NULL};
    return 0;
}

static int read_picture(struct reading *r, uint32_t longest, struct picture *ret)
{
    volatile int result = -EBADMSG;

    if (setjmp(r->back) == 0)
        result = decode(r, longest);
    else if (r->errors.msg_code == JERR_OUT_OF_MEMORY)
        result = -ENOMEM;
    else if (r->shrinking && r->shrink.row > 0) { /* what came before the fault is there */
        r->broken = true;
        result = 0;
    }
    if (result != 0)
        return result;
    if (r->shrink.row < r->shrink.height) {
        r->broken = true;
        still_fill_rest(&r->shrink);
    }
    return colour(r, ret);
}

int jpeg_read_picture(struct input *in, struct facts *f, uint32_t longest, struct picture *ret,
                      char why[STILL_WHY_MAX])
{
    struct reading *r = calloc(1, sizeof *r);
    int result;

    if (!r)
        return -ENOMEM;
    r->in = in;
    result = read_picture(r, longest, ret);
    if (result == -EBADMSG)
        snprintf(why, STILL_WHY_MAX, "the picture cannot be decoded: %.120s",
                 r->text[0] ? r->text : "it is too large");
    else if (result == 0 && r->broken)
        facts_damage(f, "the picture's data are broken or missing in places: those are shown gray");
    jpeg_destroy_decompress(&r->c);
    shrink_done(&r->shrink);
    free(r->row);
    free(r->profile);
    free(r);
    return result;
}
