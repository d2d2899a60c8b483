/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ICC profiles (ISO 15076-1) through Little CMS, once the picture is small. The profile is as hostile as the rest of the file: it is bounded,
 * and it is never passed on.
 */
#include "media/worker-picture.h"

#include <lcms2.h>

#define PROFILE_MAX (4u << 20)

static void on_cms_error(cmsContext context, cmsUInt32Number code, const char *text)
{
}

/* The pixels that a profile with this colour space describes; 0: none of ours. */
static cmsUInt32Number pixel_type(cmsHPROFILE profile, unsigned channels)
{
    cmsColorSpaceSignature space = cmsGetColorSpace(profile);

    if (space == cmsSigGrayData && channels == 1)
        return TYPE_GRAY_8;
    if (space == cmsSigRgbData && channels == 3)
        return TYPE_RGB_8;
    return space == cmsSigCmykData && channels == 4 ? TYPE_CMYK_8 : 0;
}

/* Closes the profile. */
static bool convert(cmsHPROFILE from, cmsUInt32Number type, const uint8_t *in, uint8_t *out, size_t pixels)
{
    cmsHPROFILE to = cmsCreate_sRGBProfile();
    cmsHTRANSFORM transform =
        to ? cmsCreateTransform(from, type, to, TYPE_RGB_8, INTENT_PERCEPTUAL, 0) : NULL;

    if (transform) {
        cmsDoTransform(transform, in, out, (cmsUInt32Number)pixels);
        cmsDeleteTransform(transform);
    }
    if (to)
        cmsCloseProfile(to);
    cmsCloseProfile(from);
    return transform != NULL;
}

bool picture_to_srgb(const void *profile, size_t size, const uint8_t *in, unsigned channels, uint8_t *out,
                     size_t pixels)
{
    cmsHPROFILE from;
    cmsUInt32Number type;

    if (size < 128 || size > PROFILE_MAX || pixels > UINT32_MAX)
        return false;
    cmsSetLogErrorHandler(on_cms_error);
    from = cmsOpenProfileFromMem(profile, (cmsUInt32Number)size);
    if (!from)
        return false;
    type = pixel_type(from, channels);
    if (type)
        return convert(from, type, in, out, pixels);
    cmsCloseProfile(from);
    return false;
}

void picture_from_primaries(struct picture *p, const double xy[8])
{
    /* IEC 61966-2-1: above 0.04045 a power of 2.4, below a line */
    static const cmsFloat64Number srgb[5] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
    const cmsCIExyY white = {xy[6], xy[7], 1};
    const cmsCIExyYTRIPLE primaries = {{xy[0], xy[1], 1}, {xy[2], xy[3], 1}, {xy[4], xy[5], 1}};
    cmsToneCurve *curve = cmsBuildParametricToneCurve(NULL, 4, srgb);
    cmsToneCurve *const curves[3] = {curve, curve, curve};
    cmsHPROFILE from = curve ? cmsCreateRGBProfile(&white, &primaries, curves) : NULL;

    if (from)
        convert(from, TYPE_RGB_8, p->rgb, p->rgb, (size_t)p->width * p->height);
    if (curve)
        cmsFreeToneCurve(curve);
}
