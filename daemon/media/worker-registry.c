/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What there is of libav in a liuhen-media that is linked statically (MEDIA_LINK=static). An archive gives only what is asked for, and
 * libav asks for everything in five lists: codecs, parsers, bitstream filters, formats, protocols. These are ours in their place: the
 * same functions over lists of what a recording can need, so that 10 MB are linked instead of 60, no library beside libc and dav1d has
 * to be loaded, and a decoder that is not in the lists cannot be reached by any file. The order of decoders is libav's: the first of an
 * id is the one that is taken.
 *
 * Symbols are used by address only; the private structures behind them begin with the public ones (all majors from 59 on). Hardware
 * that decoders and libavutil name is defined here as empty: nobody asks a static build for it. Not compiled for MEDIA_LINK=shared.
 */
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

/* clang-format off */

/* As AV_CODECS of worker-av.h; av_codecs_missing (tests/unit/test-registry.c) holds that none is missing. */
#define DECODERS(_)                                                                                                     \
    _(bmp) _(cinepak) _(dvvideo) _(ffv1) _(flv) _(gif) _(h263) _(h263i) _(h264) _(hevc) _(mjpeg) _(mjpegb) _(mpeg1video) \
    _(mpeg2video) _(mpeg4) _(msmpeg4v1) _(msmpeg4v2) _(msmpeg4v3) _(png) _(prores) _(rawvideo) _(svq1) _(svq3)          \
    _(theora) _(tiff) _(vc1) _(vp8) _(vp9) _(webp) _(wmv1) _(wmv2) _(wmv3)                                              \
    _(aac) _(aac_latm) _(ac3) _(alac) _(amrnb) _(amrwb) _(eac3) _(flac) _(gsm) _(gsm_ms) _(mp2) _(mp2float)             \
    _(mp3float) _(mp3) _(opus) _(qcelp) _(qdm2) _(vorbis) _(wmapro) _(wmav1) _(wmav2)                                   \
    _(pcm_alaw) _(pcm_bluray) _(pcm_dvd) _(pcm_f32be) _(pcm_f32le) _(pcm_mulaw) _(pcm_s8) _(pcm_s16be) _(pcm_s16le)     \
    _(pcm_s24be) _(pcm_s24le) _(pcm_s32be) _(pcm_s32le) _(pcm_u8)                                                       \
    _(adpcm_g722) _(adpcm_g726) _(adpcm_g726le) _(adpcm_ima_qt) _(adpcm_ima_wav) _(adpcm_ms) _(adpcm_swf)               \
    _(adpcm_yamaha) _(libdav1d)
#define ENCODERS(_)                                                                                                     \
    _(libx264) _(aac) _(mjpeg) _(ffv1) _(flac) _(pcm_f32le) _(pcm_f64le) _(pcm_s16le) _(pcm_s32le) _(pcm_u8)
#define PARSERS(_)                                                                                                      \
    _(aac_latm) _(aac) _(ac3) _(amr) _(av1) _(bmp) _(dca) _(flac) _(gif) _(gsm) _(h263) _(h264) _(hevc) _(mjpeg)        \
    _(mpeg4video) _(mpegaudio) _(mpegvideo) _(opus) _(png) _(vc1) _(vorbis) _(vp3) _(vp8) _(vp9) _(webp)
#define FILTERS(_)                                                                                                      \
    _(aac_adtstoasc) _(av1_frame_merge) _(extract_extradata) _(h264_mp4toannexb) _(hevc_mp4toannexb) _(null)            \
    _(vp9_superframe) _(vp9_superframe_split)
/* m4v, mpegvideo, loas, dts, eac3: never opened by name, but MPEG streams without a type are told by them. */
#define DEMUXERS(_)                                                                                                     \
    _(aac) _(ac3) _(amr) _(asf) _(avi) _(caf) _(dhav) _(dts) _(eac3) _(flac) _(flv) _(gif) _(h264) _(hevc) _(loas)      \
    _(m4v) _(matroska) _(mov) _(mp3) _(mpegps) _(mpegts) _(mpegvideo) _(mxf) _(ogg) _(w64) _(wav)                       \
    _(image_bmp_pipe) _(image_tiff_pipe) _(image_webp_pipe)
#define MUXERS(_)    _(matroska) _(mp4)

#define DECLARE_DECODER(name) extern const AVCodec ff_##name##_decoder;
#define DECLARE_ENCODER(name) extern const AVCodec ff_##name##_encoder;
#define DECLARE_PARSER(name)  extern const AVCodecParser ff_##name##_parser;
#define DECLARE_FILTER(name)  extern const AVBitStreamFilter ff_##name##_bsf;
#define DECLARE_DEMUXER(name) extern const AVInputFormat ff_##name##_demuxer;
#define DECLARE_MUXER(name)   extern const AVOutputFormat ff_##name##_muxer;
#define ROW_DECODER(name) &ff_##name##_decoder,
#define ROW_ENCODER(name) &ff_##name##_encoder,
#define ROW_PARSER(name)  &ff_##name##_parser,
#define ROW_FILTER(name)  &ff_##name##_bsf,
#define ROW_DEMUXER(name) &ff_##name##_demuxer,
#define ROW_MUXER(name)   &ff_##name##_muxer,

DECODERS(DECLARE_DECODER)
ENCODERS(DECLARE_ENCODER)
PARSERS(DECLARE_PARSER)
FILTERS(DECLARE_FILTER)
DEMUXERS(DECLARE_DEMUXER)
MUXERS(DECLARE_MUXER)

static const AVCodec *const codecs[] = {ENCODERS(ROW_ENCODER) DECODERS(ROW_DECODER) NULL};
static const AVCodecParser *const parsers[] = {PARSERS(ROW_PARSER) NULL};
static const AVBitStreamFilter *const filters[] = {FILTERS(ROW_FILTER) NULL};
static const AVInputFormat *const demuxers[] = {DEMUXERS(ROW_DEMUXER) NULL};
static const AVOutputFormat *const muxers[] = {MUXERS(ROW_MUXER) NULL};
/* clang-format on */

/* The state is an index in a pointer, as in libav's own. */
#define NEXT(list, opaque)                                                                                   \
    ({                                                                                                       \
        uintptr_t at_ = (uintptr_t) * (opaque);                                                              \
        if ((list)[at_])                                                                                     \
            *(opaque) = (void *)(at_ + 1);                                                                   \
        (list)[at_];                                                                                         \
    })

const AVCodec *av_codec_iterate(void **opaque)
{
    return NEXT(codecs, opaque);
}

const AVCodecParser *av_parser_iterate(void **opaque)
{
    return NEXT(parsers, opaque);
}

const AVBitStreamFilter *av_bsf_iterate(void **opaque)
{
    return NEXT(filters, opaque);
}

const AVInputFormat *av_demuxer_iterate(void **opaque)
{
    return NEXT(demuxers, opaque);
}

const AVOutputFormat *av_muxer_iterate(void **opaque)
{
    return NEXT(muxers, opaque);
}

static const AVCodec *find_codec(int (*is)(const AVCodec *), enum AVCodecID id, const char *name)
{
    for (size_t i = 0; codecs[i]; i++)
        if (is(codecs[i]) && (name ? strcmp(codecs[i]->name, name) == 0 : codecs[i]->id == id))
            return codecs[i];
    return NULL;
}

const AVCodec *avcodec_find_decoder(enum AVCodecID id)
{
    return find_codec(av_codec_is_decoder, id, NULL);
}

const AVCodec *avcodec_find_encoder(enum AVCodecID id)
{
    return find_codec(av_codec_is_encoder, id, NULL);
}

const AVCodec *avcodec_find_decoder_by_name(const char *name)
{
    return name ? find_codec(av_codec_is_decoder, AV_CODEC_ID_NONE, name) : NULL;
}

const AVCodec *avcodec_find_encoder_by_name(const char *name)
{
    return name ? find_codec(av_codec_is_encoder, AV_CODEC_ID_NONE, name) : NULL;
}

const AVBitStreamFilter *av_bsf_get_by_name(const char *name)
{
    for (size_t i = 0; name && filters[i]; i++)
        if (strcmp(filters[i]->name, name) == 0)
            return filters[i];
    return NULL;
}

/* Inside libav: options of parts (only asked for when options are listed) and protocols, of which there are none. */
const AVClass *ff_bsf_child_class_iterate(void **opaque);
const AVClass *ff_urlcontext_child_class_iterate(void **opaque);
const void **ffurl_get_protocols(const char *allowed, const char *denied);

const AVClass *ff_bsf_child_class_iterate(void **opaque)
{
    return NULL;
}

const AVClass *ff_urlcontext_child_class_iterate(void **opaque)
{
    return NULL;
}

/* The caller frees the list. */
const void **ffurl_get_protocols(const char *allowed, const char *denied)
{
    return av_calloc(1, sizeof(void *));
}

/* Named by parts that are linked, used by none: TLS by the network's start, which is never asked for; the other resampler; hardware. */
void ff_gnutls_init(void);
void ff_gnutls_deinit(void);

void ff_gnutls_init(void)
{
}

void ff_gnutls_deinit(void)
{
}

/* clang-format off */
#define NOTHING(symbol) extern const uint64_t symbol[64]; const uint64_t symbol[64] = {0};
#define HWACCEL(name)   NOTHING(ff_##name##_hwaccel)
#define HWCONTEXT(name) NOTHING(ff_hwcontext_type_##name)
HWACCEL(h263_vaapi)
HWACCEL(h264_nvdec) HWACCEL(h264_vaapi) HWACCEL(h264_vdpau)
HWACCEL(hevc_nvdec) HWACCEL(hevc_vaapi) HWACCEL(hevc_vdpau)
HWACCEL(mjpeg_nvdec) HWACCEL(mjpeg_vaapi)
HWACCEL(mpeg1_nvdec) HWACCEL(mpeg1_vdpau)
HWACCEL(mpeg2_nvdec) HWACCEL(mpeg2_vaapi) HWACCEL(mpeg2_vdpau)
HWACCEL(mpeg4_nvdec) HWACCEL(mpeg4_vaapi) HWACCEL(mpeg4_vdpau)
HWACCEL(vc1_nvdec) HWACCEL(vc1_vaapi) HWACCEL(vc1_vdpau)
HWACCEL(vp8_nvdec) HWACCEL(vp8_vaapi)
HWACCEL(vp9_nvdec) HWACCEL(vp9_vaapi) HWACCEL(vp9_vdpau)
HWACCEL(wmv3_nvdec) HWACCEL(wmv3_vaapi) HWACCEL(wmv3_vdpau)
HWCONTEXT(cuda) HWCONTEXT(drm) HWCONTEXT(opencl) HWCONTEXT(qsv) HWCONTEXT(vaapi) HWCONTEXT(vdpau) HWCONTEXT(vulkan)
NOTHING(swri_soxr_resampler)

/* libzbar can announce codes on D-Bus, when it is told to. It never is, and the bus is not linked. */
#define NO_CALL(symbol) void *symbol(void); void *symbol(void) { return NULL; }
NO_CALL(dbus_bus_get) NO_CALL(dbus_bus_release_name) NO_CALL(dbus_bus_request_name) NO_CALL(dbus_connection_flush)
NO_CALL(dbus_connection_send) NO_CALL(dbus_error_free) NO_CALL(dbus_error_init) NO_CALL(dbus_error_is_set)
NO_CALL(dbus_message_iter_append_basic) NO_CALL(dbus_message_iter_append_fixed_array) NO_CALL(dbus_message_iter_close_container)
NO_CALL(dbus_message_iter_init_append) NO_CALL(dbus_message_iter_open_container) NO_CALL(dbus_message_new_signal)
NO_CALL(dbus_message_unref)
    /* clang-format on */
