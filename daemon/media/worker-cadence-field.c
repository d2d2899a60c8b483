/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Second fields among the packets of a stream (see worker-cadence.h). Camcorders (AVCHD) code some pictures as two fields, and in transport
 * streams each of them is a packet: counted as pictures, they would make a constant rate the double, or a variable one where they change
 * with whole pictures. libav's parser reads from the first slice (ISO/IEC 14496-10 §7.3.3, field_pic_flag, bottom_field_flag) which it is.
 */
#include "media/worker-cadence.h"

#include <stdlib.h>

#include <libavcodec/avcodec.h>

struct fields {
    AVCodecParserContext *parser;
    AVCodecContext *codec;
    enum AVPictureStructure first; /* of a picture that waits for its other field; unknown: none does */
};

struct fields *fields_free(struct fields *f)
{
    if (f) {
        av_parser_close(f->parser);
        avcodec_free_context(&f->codec);
    }
    free(f);
    return NULL;
}

struct fields *fields_new(const AVStream *st)
{
    const AVCodecParameters *c = st->codecpar;
    struct fields *f;

    /* with avcC both fields are one sample (ISO/IEC 14496-15 §5.2.1) */
    if (c->codec_id != AV_CODEC_ID_H264 || c->field_order == AV_FIELD_PROGRESSIVE ||
        (c->extradata_size > 0 && c->extradata[0] == 1))
        return NULL;
    f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->parser = av_parser_init(c->codec_id);
    f->codec = avcodec_alloc_context3(NULL);
    if (!f->parser || !f->codec || avcodec_parameters_to_context(f->codec, c) < 0)
        return fields_free(f);
    f->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    return f;
}

bool fields_second(struct fields *f, const AVPacket *packet)
{
    enum AVPictureStructure first;
    uint8_t *out;
    int size;

    if (!f || packet->size <= 0)
        return false;
    first = f->first;
    av_parser_parse2(f->parser, f->codec, &out, &size, packet->data, packet->size, packet->pts, packet->dts,
                     packet->pos);
    f->first = AV_PICTURE_STRUCTURE_UNKNOWN;
    if (f->parser->picture_structure != AV_PICTURE_STRUCTURE_TOP_FIELD &&
        f->parser->picture_structure != AV_PICTURE_STRUCTURE_BOTTOM_FIELD)
        return false;
    if (first != AV_PICTURE_STRUCTURE_UNKNOWN && f->parser->picture_structure != first)
        return true;
    f->first = f->parser->picture_structure;
    return false;
}
