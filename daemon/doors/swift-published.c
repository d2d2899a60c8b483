/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What camera systems read from us in the container System. Capabilities: once declared, always supported, so that lines are added here
 * and never taken away. Categories: an officer chooses one on the camera; they are the classes and circumstances of the policy in
 * force, in its own words. Read once a day; a bookmark may name one that has gone since.
 */
#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "doors/swift-internal.h"

#define CATEGORY_ID_MAX 32 /* as long as camera systems may say it back */

static json_t *capabilities(void)
{
    return json_pack("{s:{s:b}, s:{s:b, s:b, s:b, s:b, s:b}, s:{s:b}}", "Read", "ReadCategories", 1, "Store",
                     "StoreUserIDKey", 1, "StoreBookmarks", 1, "StoreSignedVideo", 1,
                     "StoreGNSSTrackRecording", 1, "StoreRejectedContent", 1, "StoreAndRead",
                     "StoreReadSystemID", 1);
}

/* "class-routine", "hold-complaint", "step-evidence-preservation"; what would be too long ends in a digest. */
static void category_id(const char *family, const char *name, char out[CATEGORY_ID_MAX + 1])
{
    char hex[DIGEST_HEX_SIZE];
    struct digest digest;

    if (snprintf(out, CATEGORY_ID_MAX + 1, "%s-%s", family, name) <= CATEGORY_ID_MAX)
        return;
    digest_of(name, strlen(name), &digest);
    digest_to_hex(&digest, hex);
    snprintf(out, CATEGORY_ID_MAX + 1, "%s-%.16s", family, hex);
}

static int add_category(json_t *list, const char *family, const char *name)
{
    char id[CATEGORY_ID_MAX + 1];
    json_t *o;

    category_id(family, name, id);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *known = json_get_string(json_array_get(list, i), "Id");

        if (known && strcmp(known, id) == 0)
            return 0; /* a step may stand in several rules */
    }
    o = json_pack("{s:s, s:s}", "Name", name, "Id", id);
    return o && json_array_append_new(list, o) == 0 ? 0 : -ENOMEM;
}

static json_t *categories(const struct policy *policy)
{
    _cleanup_json_ json_t *list = json_array();
    const char *name;
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && (name = policy_class_name(policy, i)); i++)
        r = add_category(list, "class", name);
    for (int g = 0; r == 0 && g < HOLD_GROUND_COUNT; g++)
        r = add_category(list, "hold", hold_ground_name((enum hold_ground)g));
    for (size_t i = 0; r == 0 && i < policy_n_requirements(policy); i++)
        r = add_category(list, "step", policy_requirement(policy, i)->step);
    return r < 0 ? NULL : TAKE_PTR(list);
}

bool swift_is_published(const char *container, const char *object)
{
    return strcmp(container, "System") == 0 &&
           (strcmp(object, "Capabilities.json") == 0 || strcmp(object, "Categories.json") == 0);
}

int swift_published(const struct policy *policy, const char *object, char **ret)
{
    _cleanup_json_ json_t *o = strcmp(object, "Categories.json") == 0 ? categories(policy) : capabilities();

    return o ? json_canonical(o, ret) : -ENOMEM;
}
