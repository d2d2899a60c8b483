/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A driver for libva that has no device: so liuhen-media can be seen to encode through libavcodec's device API, in its lock, where there is
 * no hardware. Its pictures lie in memory, and it writes H.264 whose macroblocks are bare samples (I_PCM, ITU-T H.264 7.3.5): large, simple
 * and exact. libva loads it as NAME_drv_video.so from LIBVA_DRIVERS_PATH; NAME (LIBVA_DRIVER_NAME; links to it) says how it behaves:
 *
 *   good     it works
 *   wrong    its pictures are not those that it was given
 *   fails    after 20 pictures it fails
 *   thread   a thread that it had before the lock tries to open a file at the first picture, and the picture is wrong if it could
 *
 * Only what libavcodec asks for is here; everything else answers that it is not implemented.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <va/va_backend.h>
#include <va/va_drmcommon.h>
#include <va/va_enc_h264.h>

#define THINGS_MAX   512
#define ALIGN_16(n)  (((n) + 15) & ~15)
#define SIDE_MOST    4096
#define FAILS_AFTER  20
#define CONFIG       1
#define CONTEXT      2
#define IMAGE_BUFFER 0x1000 /* of the surface with the same low bits */

VAStatus __vaDriverInit_1_0(VADriverContextP ctx);
int drmGetNodeTypeFromFd(int fd);

/* In place of libdrm's (LD_PRELOAD): any device is one that renders, /dev/null too. */
int drmGetNodeTypeFromFd(int fd)
{
    return 2; /* DRM_NODE_RENDER */
}

struct surface {
    unsigned width, height, pitch; /* NV12; whole macroblocks */
    uint8_t *data;
};

struct buffer {
    VABufferType type;
    unsigned size;
    uint8_t *data;
    VACodedBufferSegment coded;
};

static struct surface surfaces[THINGS_MAX]; /* ids from 1 */
static struct buffer buffers[THINGS_MAX];
static enum { GOOD, WRONG, FAILS, THREAD } manner;
static unsigned pictures;

/* The picture in hand. */
static struct {
    VASurfaceID surface;
    VABufferID coded;
    unsigned header_bits[2]; /* of the sequence, of the slice */
    uint8_t header[2][1024];
    unsigned header_type;
    bool intra;
} now;

/* ---- H.264 --------------------------------------------------------------------------------------------------------------- */

struct bits {
    uint8_t *out;
    unsigned n, zeros, held, n_held;
};

static void put_byte(struct bits *b, unsigned byte, bool escape)
{
    if (escape && b->zeros >= 2 && byte <= 3) {
        b->out[b->n++] = 3;
        b->zeros = 0;
    }
    b->out[b->n++] = (uint8_t)byte;
    b->zeros = byte ? 0 : b->zeros + 1;
}

static void put(struct bits *b, unsigned value, unsigned count)
{
    while (count--) {
        b->held = b->held << 1 | (value >> count & 1);
        if (++b->n_held == 8) {
            put_byte(b, b->held, true);
            b->held = b->n_held = 0;
        }
    }
}

static void align(struct bits *b)
{
    if (b->n_held)
        put(b, 0, 8 - b->n_held);
}

/* A header comes escaped, and may end within a byte. */
static void put_header(struct bits *b, const uint8_t *header, unsigned bits)
{
    for (unsigned i = 0; i < bits / 8; i++)
        put_byte(b, header[i], false);
    if (bits % 8)
        put(b, header[bits / 8] >> (8 - bits % 8), bits % 8);
}

static void put_macroblock(struct bits *b, const struct surface *s, unsigned x, unsigned y)
{
    const uint8_t *luma = s->data + (size_t)y * 16 * s->pitch + x * 16,
                  *chroma = s->data + (size_t)s->height * s->pitch + (size_t)y * 8 * s->pitch + x * 16;
    unsigned spoil = manner == WRONG ? 255 : 0;

    if (now.intra)
        put(b, 26, 9); /* mb_type ue(25) */
    else
        put(b, 1u << 9 | 31, 10); /* mb_skip_run ue(0), mb_type ue(30) */
    align(b);
    for (unsigned i = 0; i < 256; i++)
        put(b, luma[i / 16 * s->pitch + i % 16] ^ spoil, 8);
    for (unsigned plane = 0; plane < 2; plane++)
        for (unsigned i = 0; i < 64; i++)
            put(b, chroma[i / 8 * s->pitch + i % 8 * 2 + plane], 8);
}

static void write_picture(const struct surface *s, struct buffer *to)
{
    struct bits b = {.out = to->data};

    if (now.intra)
        put_header(&b, now.header[0], now.header_bits[0]);
    put_header(&b, now.header[1], now.header_bits[1]);
    for (unsigned y = 0; y < s->height / 16; y++)
        for (unsigned x = 0; x < s->width / 16; x++)
            put_macroblock(&b, s, x, y);
    put(&b, 1, 1);
    align(&b);
    to->coded = (VACodedBufferSegment){.size = b.n, .buf = to->data};
}

/* ---- what libva asks ----------------------------------------------------------------------------------------------------- */

static VAStatus not_there(void)
{
    return VA_STATUS_ERROR_UNIMPLEMENTED;
}

static VAStatus nothing_to_do(void)
{
    return VA_STATUS_SUCCESS;
}

static VAStatus query_profiles(VADriverContextP c, VAProfile *list, int *n)
{
    list[0] = VAProfileH264ConstrainedBaseline;
    *n = 1;
    return VA_STATUS_SUCCESS;
}

static VAStatus query_entrypoints(VADriverContextP c, VAProfile profile, VAEntrypoint *list, int *n)
{
    list[0] = VAEntrypointEncSlice;
    *n = 1;
    return VA_STATUS_SUCCESS;
}

static VAStatus config_attributes(VADriverContextP c, VAProfile profile, VAEntrypoint entry,
                                  VAConfigAttrib *list, int n)
{
    static const VAConfigAttrib known[] = {
        {VAConfigAttribRTFormat, VA_RT_FORMAT_YUV420},
        {VAConfigAttribRateControl, VA_RC_CQP},
        {VAConfigAttribEncPackedHeaders, VA_ENC_PACKED_HEADER_SEQUENCE | VA_ENC_PACKED_HEADER_SLICE},
        {VAConfigAttribEncMaxRefFrames, 1},
        {VAConfigAttribMaxPictureWidth, SIDE_MOST},
        {VAConfigAttribMaxPictureHeight, SIDE_MOST},
    };

    for (int i = 0; i < n; i++) {
        list[i].value = VA_ATTRIB_NOT_SUPPORTED;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (known[k].type == list[i].type)
                list[i].value = known[k].value;
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus create_config(VADriverContextP c, VAProfile profile, VAEntrypoint entry, VAConfigAttrib *list,
                              int n, VAConfigID *ret)
{
    if (entry != VAEntrypointEncSlice)
        return VA_STATUS_ERROR_UNSUPPORTED_ENTRYPOINT;
    *ret = CONFIG;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_context(VADriverContextP c, VAConfigID config, int width, int height, int flag,
                               VASurfaceID *targets, int n, VAContextID *ret)
{
    *ret = CONTEXT;
    return VA_STATUS_SUCCESS;
}

static VAStatus surface_attributes(VADriverContextP c, VAConfigID config, VASurfaceAttrib *list, unsigned *n)
{
    const VASurfaceAttrib known[] = {
        {VASurfaceAttribPixelFormat,
         VA_SURFACE_ATTRIB_GETTABLE | VA_SURFACE_ATTRIB_SETTABLE,
         {VAGenericValueTypeInteger, {.i = VA_FOURCC_NV12}}},
        {VASurfaceAttribMaxWidth, VA_SURFACE_ATTRIB_GETTABLE, {VAGenericValueTypeInteger, {.i = SIDE_MOST}}},
        {VASurfaceAttribMaxHeight, VA_SURFACE_ATTRIB_GETTABLE, {VAGenericValueTypeInteger, {.i = SIDE_MOST}}},
    };
    unsigned room = *n;

    *n = sizeof known / sizeof *known;
    if (!list)
        return VA_STATUS_SUCCESS;
    if (room < *n)
        return VA_STATUS_ERROR_MAX_NUM_EXCEEDED;
    memcpy(list, known, sizeof known);
    return VA_STATUS_SUCCESS;
}

static VAStatus create_surfaces(VADriverContextP c, unsigned format, unsigned width, unsigned height,
                                VASurfaceID *ids, unsigned n, VASurfaceAttrib *attributes,
                                unsigned n_attributes)
{
    for (unsigned i = 0, id = 1; i < n; i++) {
        struct surface *s;

        while (id < THINGS_MAX && surfaces[id].data)
            id++;
        if (id == THINGS_MAX)
            return VA_STATUS_ERROR_ALLOCATION_FAILED;
        s = &surfaces[id];
        *s = (struct surface){ALIGN_16(width), ALIGN_16(height), ALIGN_16(width), NULL};
        s->data = calloc(1, (size_t)s->pitch * s->height * 3 / 2);
        if (!s->data)
            return VA_STATUS_ERROR_ALLOCATION_FAILED;
        ids[i] = id;
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus destroy_surfaces(VADriverContextP c, VASurfaceID *ids, int n)
{
    for (int i = 0; i < n; i++) {
        free(surfaces[ids[i]].data);
        surfaces[ids[i]].data = NULL;
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus query_image_formats(VADriverContextP c, VAImageFormat *list, int *n)
{
    list[0] = (VAImageFormat){.fourcc = VA_FOURCC_NV12, .byte_order = VA_LSB_FIRST, .bits_per_pixel = 12};
    *n = 1;
    return VA_STATUS_SUCCESS;
}

static VAStatus derive_image(VADriverContextP c, VASurfaceID id, VAImage *ret)
{
    const struct surface *s = &surfaces[id];

    *ret = (VAImage){.image_id = id,
                     .format = {.fourcc = VA_FOURCC_NV12, .byte_order = VA_LSB_FIRST, .bits_per_pixel = 12},
                     .buf = IMAGE_BUFFER | id,
                     .width = (uint16_t)s->width,
                     .height = (uint16_t)s->height,
                     .data_size = s->pitch * s->height * 3 / 2,
                     .num_planes = 2,
                     .pitches = {s->pitch, s->pitch},
                     .offsets = {0, s->pitch * s->height}};
    return VA_STATUS_SUCCESS;
}

static VAStatus create_buffer(VADriverContextP c, VAContextID context, VABufferType type, unsigned size,
                              unsigned n, void *data, VABufferID *ret)
{
    unsigned id = 1;

    while (id < THINGS_MAX && buffers[id].data)
        id++;
    if (id == THINGS_MAX)
        return VA_STATUS_ERROR_ALLOCATION_FAILED;
    buffers[id] = (struct buffer){.type = type, .size = size * n, .data = calloc(n, size)};
    if (!buffers[id].data)
        return VA_STATUS_ERROR_ALLOCATION_FAILED;
    if (data)
        memcpy(buffers[id].data, data, (size_t)size * n);
    *ret = id;
    return VA_STATUS_SUCCESS;
}

static VAStatus map_buffer(VADriverContextP c, VABufferID id, void **ret)
{
    if (id & IMAGE_BUFFER)
        *ret = surfaces[id & (IMAGE_BUFFER - 1)].data;
    else if (buffers[id].type == VAEncCodedBufferType)
        *ret = &buffers[id].coded;
    else
        *ret = buffers[id].data;
    return VA_STATUS_SUCCESS;
}

static VAStatus destroy_buffer(VADriverContextP c, VABufferID id)
{
    if (!(id & IMAGE_BUFFER)) {
        free(buffers[id].data);
        buffers[id].data = NULL;
    }
    return VA_STATUS_SUCCESS;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------ */

static VAStatus begin_picture(VADriverContextP c, VAContextID context, VASurfaceID surface)
{
    memset(&now, 0, sizeof now);
    now.surface = surface;
    return VA_STATUS_SUCCESS;
}

static void take(const struct buffer *b)
{
    const VAEncPackedHeaderParameterBuffer *packed = (const void *)b->data;
    const VAEncPictureParameterBufferH264 *picture = (const void *)b->data;
    const VAEncSliceParameterBufferH264 *slice = (const void *)b->data;

    switch (b->type) {
    case VAEncPictureParameterBufferType:
        now.coded = picture->coded_buf;
        break;
    case VAEncSliceParameterBufferType:
        now.intra = slice->slice_type % 5 == 2;
        break;
    case VAEncPackedHeaderParameterBufferType:
        now.header_type = packed->type == VAEncPackedHeaderSlice;
        now.header_bits[now.header_type] = packed->bit_length;
        break;
    case VAEncPackedHeaderDataBufferType:
        memcpy(now.header[now.header_type], b->data, b->size < 1024 ? b->size : 1024);
        break;
    default:
        break;
    }
}

static VAStatus render_picture(VADriverContextP c, VAContextID context, VABufferID *ids, int n)
{
    for (int i = 0; i < n; i++)
        take(&buffers[ids[i]]);
    return VA_STATUS_SUCCESS;
}

static atomic_int thread_asked, thread_opened;

static void *thread_main(void *unused)
{
    while (!atomic_load(&thread_asked))
        usleep(1000);
    atomic_store(&thread_opened, open("/etc/passwd", O_RDONLY) >= 0 ? 1 : -1);
    return NULL;
}

static void ask_thread(void)
{
    atomic_store(&thread_asked, 1);
    while (!atomic_load(&thread_opened))
        usleep(1000);
    if (atomic_load(&thread_opened) > 0)
        manner = WRONG;
}

/* As a device would: it is driven by its descriptor, which has to be open still. */
static bool device_is_open(VADriverContextP c)
{
    return fcntl(((const struct drm_state *)c->drm_state)->fd, F_GETFL) >= 0;
}

static VAStatus end_picture(VADriverContextP c, VAContextID context)
{
    const struct surface *s = &surfaces[now.surface];

    if (!device_is_open(c) || (++pictures > FAILS_AFTER && manner == FAILS))
        return VA_STATUS_ERROR_HW_BUSY;
    if (manner == THREAD)
        ask_thread();
    if (!now.coded || buffers[now.coded].size < (size_t)s->pitch * s->height * 2)
        return VA_STATUS_ERROR_ENCODING_ERROR;
    write_picture(s, &buffers[now.coded]);
    return VA_STATUS_SUCCESS;
}

/* ---- start --------------------------------------------------------------------------------------------------------------- */

static void fill_table(struct VADriverVTable *t)
{
    for (size_t i = 0; i < sizeof *t / sizeof(void *); i++)
        ((VAStatus(**)(void))(void *)t)[i] = not_there;
    memset(t->reserved, 0, sizeof t->reserved);
    t->vaTerminate = (VAStatus(*)(VADriverContextP))(void *)nothing_to_do;
    t->vaQueryConfigProfiles = query_profiles;
    t->vaQueryConfigEntrypoints = query_entrypoints;
    t->vaGetConfigAttributes = config_attributes;
    t->vaCreateConfig = create_config;
    t->vaDestroyConfig = (VAStatus(*)(VADriverContextP, VAConfigID))(void *)nothing_to_do;
    t->vaQuerySurfaceAttributes = surface_attributes;
    t->vaCreateSurfaces2 = create_surfaces;
    t->vaDestroySurfaces = destroy_surfaces;
    t->vaCreateContext = create_context;
    t->vaDestroyContext = (VAStatus(*)(VADriverContextP, VAContextID))(void *)nothing_to_do;
    t->vaQueryImageFormats = query_image_formats;
    t->vaDeriveImage = derive_image;
    t->vaDestroyImage = (VAStatus(*)(VADriverContextP, VAImageID))(void *)nothing_to_do;
    t->vaCreateBuffer = create_buffer;
    t->vaMapBuffer = map_buffer;
    t->vaUnmapBuffer = (VAStatus(*)(VADriverContextP, VABufferID))(void *)nothing_to_do;
    t->vaDestroyBuffer = destroy_buffer;
    t->vaBeginPicture = begin_picture;
    t->vaRenderPicture = render_picture;
    t->vaEndPicture = end_picture;
    t->vaSyncSurface = (VAStatus(*)(VADriverContextP, VASurfaceID))(void *)nothing_to_do;
}

static void read_manner(void)
{
    static const char *const names[] = {"good", "wrong", "fails", "thread"};
    const char *name = getenv("LIBVA_DRIVER_NAME");

    for (unsigned i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            manner = i;
}

VAStatus __vaDriverInit_1_0(VADriverContextP ctx)
{
    pthread_t thread;

    read_manner();
    if (manner == THREAD && pthread_create(&thread, NULL, thread_main, NULL) == 0)
        pthread_detach(thread);
    fill_table(ctx->vtable);
    ctx->version_major = VA_MAJOR_VERSION;
    ctx->version_minor = VA_MINOR_VERSION;
    ctx->max_profiles = ctx->max_entrypoints = ctx->max_image_formats = 1;
    ctx->max_attributes = 32;
    ctx->max_subpic_formats = ctx->max_display_attributes = 1;
    ctx->str_vendor = "Liuhen's driver without a device";
    return VA_STATUS_SUCCESS;
}
