/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HEIC and AVIF to the photo sizes. libheif puts grids and overlays together and applies what the file says about turning, mirroring and
 * cropping (irot, imir, clap; ISO/IEC 23008-12 §6.5): so EXIF's orientation is not applied again. The planes are made small as they come out of
 * the decoder, and only the small picture is converted: to RGB by its matrix (ITU-T H.273), to sRGB by its profile or its primaries.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "media/stills-heif.h"
#include "media/stills.h"
#include "media/worker-say.h"
#include "media/worker-shrink.h"

#define SAMPLES_MAX                                                                                          \
    (UINT64_C(210) << 20) /* pixels × bytes a sample: libheif holds the picture twice while it turns it */
#define SQUARE_SIDE_MAX 14839 /* of so many pixels */
#define PROFILE_MAX     (4u << 20)
#define PLANES          4

/* A plane made small: at most the size of the picture that is wanted, chroma of a small picture perhaps less. */
struct plane {
    uint32_t width, height;
    uint8_t *data;
};

struct decoded {
    struct heif_image *image;
    struct plane planes[PLANES]; /* Y or R, Cb or G, Cr or B, alpha */
    uint32_t width, height;      /* wanted */
};

static void done(struct decoded *d)
{
    for (int i = 0; i < PLANES; i++)
        free(d->planes[i].data);
    heif_image_release(d->image);
}

/* Decoders start as many threads as there are processors; they are shown two, those of this moment. */
static void take_two_processors(void)
{
    cpu_set_t all, few;
    int at = sched_getcpu();

    if (at < 0 || sched_getaffinity(0, sizeof all, &all) < 0)
        return;
    CPU_ZERO(&few);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&few) < 2; i++)
        if (CPU_ISSET((at + i) % CPU_SETSIZE, &all))
            CPU_SET((at + i) % CPU_SETSIZE, &few);
    sched_setaffinity(0, sizeof few, &few); /* best effort */
}

int stills_prepare_codecs(struct job *job)
{
    take_two_processors();
    return heif_init(NULL).code == heif_error_Ok ? 0 : -ENOSYS;
}

/* Return: 1 (made), 0 (the picture has no such plane), -EBADMSG, -ENOMEM. */
static int shrink_plane(struct decoded *d, enum heif_channel channel, struct plane *ret)
{
    int w = heif_image_get_width(d->image, channel), h = heif_image_get_height(d->image, channel), stride;
    int bits = heif_image_get_bits_per_pixel_range(d->image, channel);
    const uint8_t *data = heif_image_get_plane_readonly(d->image, channel, &stride);
    struct shrink s;
    int r;

    if (!data)
        return 0;
    if (w < 1 || h < 1 || bits < 8 || bits > 16 || stride < w * (bits > 8 ? 2 : 1))
        return -EBADMSG;
    r = shrink_init(&s, (uint32_t)w, (uint32_t)h, 1, (unsigned)bits, MIN((uint32_t)w, d->width),
                    MIN((uint32_t)h, d->height));
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    for (int y = 0; y < h; y++) {
        shrink_row(&s, data + (size_t)y * (size_t)stride);
        say_beat();
    }
    *ret = (struct plane){s.into_width, s.into_height, TAKE_PTR(s.result)};
    shrink_done(&s);
    return 1;
}

static int sample(const struct plane *p, uint32_t x, uint32_t y, const struct decoded *d)
{
    uint32_t px = (uint32_t)((uint64_t)x * p->width / d->width),
             py = (uint32_t)((uint64_t)y * p->height / d->height);

    return p->data[(size_t)py * p->width + px];
}

/* How three planes become RGB. */
struct matrix {
    enum { RGB, GBR, YCGCO, YCBCR } form;
    double kr, kb;
    bool full_range;
};

static struct matrix matrix_of(const struct heif_color_profile_nclx *nclx, bool rgb)
{
    struct matrix m = {rgb ? RGB : YCBCR, 0.299, 0.114, !nclx || nclx->full_range_flag};

    if (rgb || !nclx)
        return m;
    switch ((int)nclx->matrix_coefficients) {
    case 0:
        m.form = GBR;
        break;
    case 1:
        m.kr = 0.2126, m.kb = 0.0722;
        break;
    case 4:
        m.kr = 0.30, m.kb = 0.11;
        break;
    case 7:
        m.kr = 0.212, m.kb = 0.087;
        break;
    case 8:
        m.form = YCGCO;
        break;
    case 9:
    case 10:
        m.kr = 0.2627, m.kb = 0.0593;
        break;
    }
    return m;
}

static uint8_t clip(double v)
{
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)(v + 0.5);
}

static void to_rgb(const struct matrix *m, int a, int b, int c, uint8_t *rgb)
{
    double y = a, u = b - 128, v = c - 128;

    if (m->form == RGB || m->form == GBR) {
        rgb[0] = (uint8_t)(m->form == RGB ? a : c);
        rgb[1] = (uint8_t)(m->form == RGB ? b : a);
        rgb[2] = (uint8_t)(m->form == RGB ? c : b);
        return;
    }
    if (!m->full_range) {
        y = (y - 16) * 255 / 219;
        u = u * 255 / 224;
        v = v * 255 / 224;
    }
    if (m->form == YCGCO) {
        rgb[0] = clip(y - u + v);
        rgb[1] = clip(y + u);
        rgb[2] = clip(y - u - v);
        return;
    }
    rgb[0] = clip(y + 2 * (1 - m->kr) * v);
    rgb[2] = clip(y + 2 * (1 - m->kb) * u);
    rgb[1] = clip(y - (2 * m->kr * (1 - m->kr) * v + 2 * m->kb * (1 - m->kb) * u) / (1 - m->kr - m->kb));
}

/* On white. premultiplied: the colours carry their alpha already. */
static void lay_on_white(uint8_t *rgb, int alpha, bool premultiplied)
{
    for (int i = 0; i < 3; i++)
        rgb[i] = premultiplied ? (uint8_t)MIN(rgb[i] + 255 - alpha, 255)
                               : (uint8_t)((rgb[i] * alpha + 255 * (255 - alpha) + 127) / 255);
}

static int put_together(const struct decoded *d, const struct matrix *m, struct picture *ret)
{
    const struct plane *p = d->planes;
    bool mono = !p[1].data || !p[2].data;
    struct matrix level = *m;
    uint8_t *rgb, *out;

    rgb = out = malloc((size_t)d->width * d->height * 3);
    if (!rgb)
        return -ENOMEM;
    if (mono && m->form != RGB)
        level.form = YCBCR;
    for (uint32_t y = 0; y < d->height; y++)
        for (uint32_t x = 0; x < d->width; x++, out += 3)
            to_rgb(&level, sample(&p[0], x, y, d), mono ? 128 : sample(&p[1], x, y, d),
                   mono ? 128 : sample(&p[2], x, y, d), out);
    *ret = (struct picture){d->width, d->height, rgb, NULL};
    return 0;
}

static void drop_alpha(const struct decoded *d, struct picture *p)
{
    bool premultiplied = heif_image_is_premultiplied_alpha(d->image);
    uint8_t *out = p->rgb;

    if (!d->planes[3].data)
        return;
    for (uint32_t y = 0; y < p->height; y++)
        for (uint32_t x = 0; x < p->width; x++, out += 3)
            lay_on_white(out, sample(&d->planes[3], x, y, d), premultiplied);
}

/* To sRGB by the ICC profile, else by the primaries. Return: what has to be known about the colours, or NULL. */
static const char *manage_colours(const struct heif_image_handle *h,
                                  const struct heif_color_profile_nclx *nclx, struct picture *p)
{
    size_t size = heif_image_handle_get_raw_color_profile_size(h);
    _cleanup_free_ uint8_t *profile = size > 0 && size <= PROFILE_MAX ? malloc(size) : NULL;

    if (profile && heif_image_handle_get_raw_color_profile(h, profile).code == heif_error_Ok &&
        picture_to_srgb(profile, size, p->rgb, 3, p->rgb, (size_t)p->width * p->height))
        return NULL;
    if (!nclx)
        return NULL;
    if (nclx->color_primaries == 9 || nclx->color_primaries == 11 || nclx->color_primaries == 12) {
        const double xy[8] = {nclx->color_primary_red_x,   nclx->color_primary_red_y,
                              nclx->color_primary_green_x, nclx->color_primary_green_y,
                              nclx->color_primary_blue_x,  nclx->color_primary_blue_y,
                              nclx->color_primary_white_x, nclx->color_primary_white_y};

        picture_from_primaries(p, xy);
    }
    if (nclx->transfer_characteristics == 16 || nclx->transfer_characteristics == 18)
        return "a picture of high dynamic range, shown without mapping its tones";
    return NULL;
}

/* All of a picture's planes, small. Return: 0, -EBADMSG, -ENOMEM. */
static int shrink_planes(struct decoded *d, bool rgb)
{
    static const enum heif_channel channels[2][PLANES] = {
        {heif_channel_Y, heif_channel_Cb, heif_channel_Cr, heif_channel_Alpha},
        {heif_channel_R, heif_channel_G, heif_channel_B, heif_channel_Alpha},
    };
    int r = 0;

    for (int i = 0; r >= 0 && i < PLANES; i++)
        r = shrink_plane(d, channels[rgb][i], &d->planes[i]);
    if (r >= 0 && !d->planes[0].data)
        r = -EBADMSG;
    return MIN(r, 0);
}

/* Return: 0, -EBADMSG with why, -ENOMEM. */
static int read_image(const struct heif_image_handle *h, uint32_t longest, struct picture *ret,
                      const char **ret_note, char *why, size_t why_size)
{
    _cleanup_(done) struct decoded d = {0};
    struct heif_color_profile_nclx *nclx = NULL;
    uint64_t w = (uint64_t)heif_image_handle_get_width(h), height = (uint64_t)heif_image_handle_get_height(h);
    struct heif_error e;
    struct matrix m;
    bool rgb;
    int r;

    snprintf(why, why_size, "%d × %d pixels are more than is taken into memory", (int)w, (int)height);
    if (w > SHRINK_SIDE_MAX || height > SHRINK_SIDE_MAX ||
        w * height * (heif_image_handle_get_luma_bits_per_pixel(h) > 8 ? 2 : 1) > SAMPLES_MAX)
        return -EBADMSG;
    e = heif_decode_image(h, &d.image, heif_colorspace_undefined, heif_chroma_undefined, NULL);
    if (e.code == heif_error_Ok || !heif_says_size(&e, why, why_size))
        snprintf(why, why_size, "the picture cannot be decoded: %.100s",
                 e.code ? e.message : "its form is not known");
    if (e.code != heif_error_Ok)
        return e.code == heif_error_Memory_allocation_error &&
                       e.subcode != heif_suberror_Security_limit_exceeded
                   ? -ENOMEM
                   : -EBADMSG;
    rgb = heif_image_get_colorspace(d.image) == heif_colorspace_RGB;
    shrink_fit((uint32_t)MAX(heif_image_get_primary_width(d.image), 1),
               (uint32_t)MAX(heif_image_get_primary_height(d.image), 1), longest, &d.width, &d.height);
    r = shrink_planes(&d, rgb);
    if (r < 0)
        return r;
    heif_image_get_nclx_color_profile(d.image, &nclx);
    m = matrix_of(nclx, rgb);
    r = put_together(&d, &m, ret);
    if (r == 0) {
        *ret_note = manage_colours(h, nclx, ret);
        drop_alpha(&d, ret);
    }
    heif_nclx_color_profile_free(nclx);
    return r;
}

/* When the picture is broken there may be a small one in the file that is whole; it need not show the same, so that is said. */
static int read_thumbnail(const struct heif_file *h, uint32_t longest, struct picture *ret,
                          const char **ret_note)
{
    struct heif_image_handle *small = NULL;
    const char *unused;
    heif_item_id id;
    char why[160];
    int r;

    if (heif_image_handle_get_list_of_thumbnail_IDs(h->primary, &id, 1) < 1 ||
        heif_image_handle_get_thumbnail(h->primary, id, &small).code != heif_error_Ok)
        return -EBADMSG;
    r = read_image(small, longest, ret, &unused, why, sizeof why);
    heif_image_handle_release(small);
    *ret_note =
        "the picture is broken; this is the preview that the file carries, which need not show the same";
    return r;
}

static int write_photo(struct job *job, const struct heif_file *h)
{
    uint32_t longest = picture_wanted(job);
    struct picture p = {0};
    const char *note = NULL;
    char why[160];
    int r;

    if (longest == 0)
        return 0;
    r = read_image(h->primary, longest, &p, &note, why, sizeof why);
    if (r == -EBADMSG) {
        facts_damage(&job->facts, "%s", why);
        r = read_thumbnail(h, longest, &p, &note);
    }
    if (r == -EBADMSG) {
        picture_say_none(job, why);
        return 0;
    }
    if (r == 0)
        r = picture_write_sizes(job, &p, note);
    picture_done(&p);
    return r;
}

/* Grids and overlays have a size of their own beside the one that the file tells first, and it is met only when they are put together. A
 * long picture may be longer than a square one. */
static void limit_parts(const struct heif_file *h)
{
    int longest =
        MAX(heif_image_handle_get_ispe_width(h->primary), heif_image_handle_get_ispe_height(h->primary));

    heif_context_set_maximum_image_size_limit(h->context, MAX(longest, SQUARE_SIDE_MAX));
}

int stills_photo(struct job *job)
{
    struct heif_file h;
    int r = 0;

    heif_file_open(&h, &job->in, &job->facts);
    if (h.primary) {
        limit_parts(&h);
        r = write_photo(job, &h);
    } else
        picture_say_none(job, "the file has no picture that can be found");
    heif_file_close(&h);
    return r;
}
