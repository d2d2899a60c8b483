/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Forms by magic (see worker-sniff.h). Rows are tried in order; a weak magic stands after the strong ones.
 */
#include "media/worker-sniff.h"

#include <string.h>

#include "media/worker-inspect.h"

struct head {
    const uint8_t *p;
    size_t size;
};

static bool has(const struct head *h, size_t at, const char *magic, size_t n)
{
    return at + n <= h->size && memcmp(h->p + at, magic, n) == 0;
}
#define HAS(h, at, literal) has(h, at, literal, sizeof(literal) - 1)

static bool in_list(const uint8_t *fourcc, const char *list)
{
    for (; *list; list += 4)
        if (memcmp(fourcc, list, 4) == 0)
            return true;
    return false;
}

static bool is_heif(const struct head *h)
{
    return h->size >= 12 && HAS(h, 4, "ftyp") &&
           in_list(h->p + 8, "heicheixheimheishevchevxmif1msf1avifavismiaf");
}

static bool is_m4a(const struct head *h)
{
    return h->size >= 12 && HAS(h, 4, "ftyp") && in_list(h->p + 8, "M4A M4B F4A ");
}

static bool is_mov(const struct head *h)
{
    return h->size >= 8 && in_list(h->p + 4, "ftypmoovmdatfreeskipwidepnotstypmoofsidxprft");
}

static bool is_avi(const struct head *h)
{
    return HAS(h, 0, "RIFF") && (HAS(h, 8, "AVI ") || HAS(h, 8, "AVIX"));
}

static bool is_wav(const struct head *h)
{
    return (HAS(h, 0, "RIFF") || HAS(h, 0, "RF64") || HAS(h, 0, "BW64")) && HAS(h, 8, "WAVE");
}

static bool is_webp(const struct head *h)
{
    return HAS(h, 0, "RIFF") && HAS(h, 8, "WEBP");
}

static bool is_ebml(const struct head *h)
{
    return HAS(h, 0, "\x1A\x45\xDF\xA3");
}

static bool is_mpegts(const struct head *h)
{
    size_t start;

    return mpegts_packet_size(h->p, h->size, &start) > 0;
}

/* Program streams, bare or behind Hikvision's 40-byte header. */
static bool is_mpegps(const struct head *h)
{
    return HAS(h, 0, "\0\0\1\xBA") || (HAS(h, 0, "IMKH") && HAS(h, 40, "\0\0\1"));
}

static bool is_dhav(const struct head *h)
{
    return HAS(h, 0, "DHAV") || HAS(h, 0, "DAHUA");
}

static bool is_flv(const struct head *h)
{
    return HAS(h, 0, "FLV\1");
}

static bool is_amr(const struct head *h)
{
    return HAS(h, 0, "#!AMR");
}

static bool is_ogg(const struct head *h)
{
    return HAS(h, 0, "OggS");
}

static bool is_flac(const struct head *h)
{
    return HAS(h, 0, "fLaC");
}

static bool is_caf(const struct head *h)
{
    return HAS(h, 0, "caff\0\1");
}

static bool is_asf(const struct head *h)
{
    return HAS(h, 0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9");
}

static bool is_mxf(const struct head *h)
{
    return HAS(h, 0, "\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x02");
}

static bool is_jpeg(const struct head *h)
{
    return HAS(h, 0, "\xFF\xD8\xFF");
}

static bool is_png(const struct head *h)
{
    return HAS(h, 0, "\x89PNG\r\n\x1A\n");
}

static bool is_gif(const struct head *h)
{
    return HAS(h, 0, "GIF87a") || HAS(h, 0, "GIF89a");
}

static bool is_bmp(const struct head *h)
{
    return HAS(h, 0, "BM") && h->size >= 26 && le32_at(h->p + 6) == 0 && le32_at(h->p + 14) < 256;
}

static bool is_tiff(const struct head *h)
{
    return HAS(h, 0, "II*\0") || HAS(h, 0, "MM\0*");
}

static bool is_pdf(const struct head *h)
{
    return memmem(h->p, MIN(h->size, 1024u), "%PDF-", 5) != NULL;
}

/* Length of the MPEG audio frame whose header stands at p, 0 when it is none. */
static size_t mp3_frame(const uint8_t *p)
{
    static const int rates[] = {44100, 48000, 32000};
    static const int kbit[2][16] = {{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
                                    {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}};
    int version = p[1] >> 3 & 3, layer = p[1] >> 1 & 3, bits = p[2] >> 4, rate = p[2] >> 2 & 3;
    bool full = version == 3; /* MPEG-1; else MPEG-2 or 2.5 with half or a quarter of the rate */

    if (p[0] != 0xFF || (p[1] & 0xE0) != 0xE0 || version == 1 || layer != 1 || rate == 3 || !kbit[full][bits])
        return 0;
    return (size_t)((full ? 144 : 72) * kbit[full][bits] * 1000 /
                        (rates[rate] >> (full           ? 0
                                         : version == 2 ? 1
                                                        : 2)) +
                    (p[2] >> 1 & 1));
}

static size_t adts_frame(const uint8_t *p)
{
    if (p[0] != 0xFF || (p[1] & 0xF6) != 0xF0)
        return 0;
    return (size_t)(p[3] & 3) << 11 | (size_t)p[4] << 3 | p[5] >> 5;
}

/* Three frames in a row, or to the end of a short file. */
static bool frames_follow(const struct head *h, size_t (*length)(const uint8_t *))
{
    size_t at = 0, n, seen = 0;

    for (; seen < 3 && at + 8 <= h->size; at += n, seen++) {
        n = length(h->p + at);
        if (n < 8)
            return false;
    }
    return seen > 1;
}

static bool is_mp3(const struct head *h)
{
    return HAS(h, 0, "ID3") || frames_follow(h, mp3_frame);
}

static bool is_adts(const struct head *h)
{
    return frames_follow(h, adts_frame);
}

/* The NAL header after an Annex B start code at the very beginning. */
static int first_nal(const struct head *h)
{
    size_t at = HAS(h, 0, "\0\0\0\1") ? 4 : HAS(h, 0, "\0\0\1") ? 3 : 0;

    return at && at + 2 <= h->size ? h->p[at] << 8 | h->p[at + 1] : -1;
}

static bool is_h264(const struct head *h)
{
    int nal = first_nal(h);

    return nal >= 0 && !(nal & 0x8000) && (nal & 0x1F00) == 0x0700; /* SPS first */
}

static bool is_hevc(const struct head *h)
{
    int nal = first_nal(h);

    return nal == 0x4001 || nal == 0x4201; /* VPS or SPS first */
}

/* clang-format off */
static const struct {
    bool (*match)(const struct head *h);
    struct form form;
} forms[] = {
    {is_jpeg,   {"jpeg",     "photo",    NULL,         inspect_jpeg}},
    {is_png,    {"png",      "photo",    NULL,         inspect_png}},
    {is_heif,   {"heif",     "photo",    NULL,         NULL}},
    {is_m4a,    {"mp4",      "audio",    "mov",        inspect_mp4}},
    {is_mov,    {"mp4",      "video",    "mov",        inspect_mp4}},
    {is_avi,    {"avi",      "video",    "avi",        inspect_riff}},
    {is_wav,    {"wav",      "audio",    "wav",        inspect_riff}},
    {is_ebml,   {"matroska", "video",    "matroska",   inspect_ebml}},
    {is_mpegps, {"mpegps",   "video",    "mpeg",       NULL}},
    {is_dhav,   {"dhav",     "video",    "dhav",       inspect_dhav}},
    {is_flv,    {"flv",      "video",    "flv",        NULL}},
    {is_amr,    {"amr",      "audio",    "amr",        NULL}},
    {is_ogg,    {"ogg",      "audio",    "ogg",        NULL}},
    {is_flac,   {"flac",     "audio",    "flac",       NULL}},
    {is_caf,    {"caf",      "audio",    "caf",        NULL}},
    {is_asf,    {"asf",      "video",    "asf",        NULL}},
    {is_mxf,    {"mxf",      "video",    "mxf",        NULL}},
    {is_gif,    {"gif",      "photo",    "gif",        NULL}},
    {is_webp,   {"webp",     "photo",    "webp_pipe",  NULL}},
    {is_tiff,   {"tiff",     "photo",    "tiff_pipe",  NULL}},
    {is_bmp,    {"bmp",      "photo",    "bmp_pipe",   NULL}},
    {is_pdf,    {"pdf",      "document", NULL,         inspect_pdf}},
    {is_mpegts, {"mpegts",   "video",    "mpegts",     inspect_mpegts}},
    {is_h264,   {"h264",     "video",    "h264",       NULL}},
    {is_hevc,   {"hevc",     "video",    "hevc",       NULL}},
    {is_mp3,    {"mp3",      "audio",    "mp3",        NULL}},
    {is_adts,   {"aac",      "audio",    "aac",        NULL}},
};
/* clang-format on */

const struct form *sniff(struct input *in)
{
    uint8_t buf[SNIFF_BYTES];
    ssize_t n = input_pread(in, buf, sizeof buf, 0);
    const struct head head = {buf, n > 0 ? (size_t)n : 0};

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (forms[i].match(&head))
            return &forms[i].form;
    return NULL;
}
