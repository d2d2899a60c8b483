/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing and reading inventories (see store-inventory.h). Written with a format and not as a JSON tree: the path of small
 * files runs thousands of times a batch, and all values but the user's are of characters that JSON does not escape
 * (encode_safe_name leaves no quote, backslash or control byte).
 */
#include "store/store-inventory.h"

#include <errno.h>
#include <string.h>

#include "base/calendar.h"
#include "base/encode.h"
#include "base/json.h"
#include "store/store-internal.h"

#define INVENTORY_TYPE "https://ocfl.io/1.1/spec/#inventory"
#define CONTENT_PREFIX "v1/content/"
#define ARRIVAL_NAME   "arrival.json"

/* "digest": ["path"] for both files; one entry with both paths should their bytes be the same. */
static int digests_text(const struct store_inventory *v, const char *prefix, const char *indent, char **ret)
{
    char content[DIGEST_HEX_SIZE], arrival[DIGEST_HEX_SIZE];
    int n;

    digest_to_hex(&v->content.sha256, content);
    digest_to_hex(&v->arrival, arrival);
    if (strcmp(content, arrival) == 0)
        n = asprintf(ret, "%s\"%s\": [\"%s%s\", \"%s" ARRIVAL_NAME "\"]", indent, content, prefix,
                     v->content_name, prefix);
    else
        n = asprintf(ret, "%s\"%s\": [\"%s%s\"],\n%s\"%s\": [\"%s" ARRIVAL_NAME "\"]", indent, content,
                     prefix, v->content_name, indent, arrival, prefix);
    if (n < 0)
        *ret = NULL;
    return n < 0 ? -ENOMEM : 0;
}

int store_inventory_write(const struct store_inventory *v, const char *user, int64_t created_usec,
                          char **ret_text)
{
    _cleanup_free_ char *manifest = NULL, *state = NULL, *fixity = NULL;
    char created[CALENDAR_TEXT_SIZE], sm3[DIGEST_HEX_SIZE];
    char *text;
    int r = digests_text(v, CONTENT_PREFIX, "    ", &manifest);

    if (r == 0)
        r = digests_text(v, "", "        ", &state);
    if (r < 0)
        return r;
    if (v->content.have_sm3) {
        encode_hex(v->content.sm3, DIGEST_BYTES, sm3);
        if (asprintf(&fixity,
                     ",\n  \"fixity\": {\n    \"sm3\": {\n      \"%s\": [\"" CONTENT_PREFIX
                     "%s\"]\n    }\n  }",
                     sm3, v->content_name) < 0) {
            fixity = NULL;
            return -ENOMEM;
        }
    }
    calendar_format_utc(created_usec, created);
    if (asprintf(&text,
                 "{\n"
                 "  \"id\": \"urn:liuhen:%s\",\n"
                 "  \"type\": \"" INVENTORY_TYPE "\",\n"
                 "  \"digestAlgorithm\": \"sha256\",\n"
                 "  \"head\": \"v1\",\n"
                 "  \"manifest\": {\n%s\n  },\n"
                 "  \"versions\": {\n"
                 "    \"v1\": {\n"
                 "      \"created\": \"%s\",\n"
                 "      \"message\": \"sealed\",\n"
                 "      \"user\": %s,\n"
                 "      \"state\": {\n%s\n      }\n"
                 "    }\n"
                 "  }%s\n"
                 "}\n",
                 v->id.text, manifest, created, user, state, fixity ?: "") < 0)
        return -ENOMEM;
    *ret_text = text;
    return 0;
}

/* The digest of one of the two files in a digest → paths block. */
static int take_path(const char *path, const struct digest *d, const char *prefix, struct store_inventory *v)
{
    const char *name = path + strlen(prefix);

    if (strncmp(path, prefix, strlen(prefix)) != 0 || !store_is_plain_name(name))
        return -EPROTO;
    if (strcmp(name, ARRIVAL_NAME) == 0) {
        v->arrival = *d;
        return 1;
    }
    if (v->content_name[0] || strlen(name) >= sizeof v->content_name)
        return -EPROTO;
    strcpy(v->content_name, name);
    v->content.sha256 = *d;
    return 2;
}

static int parse_digests(const json_t *block, const char *prefix, struct store_inventory *v)
{
    int seen = 0;
    const char *hex;
    json_t *paths, *path;
    size_t i;

    json_object_foreach ((json_t *)block, hex, paths) {
        struct digest d;

        if (digest_from_hex(hex, &d) < 0 || !json_is_array(paths))
            return -EPROTO;
        json_array_foreach (paths, i, path) {
            int r = json_is_string(path) ? take_path(json_string_value(path), &d, prefix, v) : -EPROTO;
            if (r < 0 || (seen & r))
                return -EPROTO;
            seen |= r;
        }
    }
    return seen == 3 ? 0 : -EPROTO;
}

static int parse_fixity(const json_t *fixity, struct store_inventory *v)
{
    const json_t *sm3 = json_object_get(fixity, "sm3");
    const char *hex, *path;
    json_t *paths;

    json_object_foreach ((json_t *)sm3, hex, paths) {
        path = json_string_value(json_array_get(paths, 0));
        if (!path || strncmp(path, CONTENT_PREFIX, strlen(CONTENT_PREFIX)) != 0 ||
            strcmp(path + strlen(CONTENT_PREFIX), v->content_name) != 0 ||
            decode_hex(hex, v->content.sm3, DIGEST_BYTES) < 0)
            return -EPROTO;
        v->content.have_sm3 = true;
    }
    return 0;
}

static bool string_is(const json_t *object, const char *key, const char *want)
{
    const char *have = json_get_string(object, key);

    return have && strcmp(have, want) == 0;
}

int store_inventory_parse(const char *text, size_t size, const char *shown, struct store_inventory *ret,
                          struct error *err)
{
    _cleanup_json_ json_t *root = NULL;
    struct store_inventory v = {0}, state = {0};
    const json_t *version;
    const char *id;
    int r = json_parse(text, size, shown, &root, err);

    if (r < 0)
        return r == -ENOMEM ? r : -EPROTO;
    id = json_get_string(root, "id");
    if (!id || strncmp(id, "urn:liuhen:", 11) != 0 || recording_id_parse(id + 11, &v.id) < 0)
        return error_set(err, -EPROTO, shown, "the inventory's id is not urn:liuhen:<ULID>");
    if (!string_is(root, "type", INVENTORY_TYPE) || !string_is(root, "digestAlgorithm", "sha256") ||
        !string_is(root, "head", "v1"))
        return error_set(err, -EPROTO, shown,
                         "the inventory's type, digestAlgorithm or head is not OCFL 1.1, sha256, v1");
    version = json_object_get(json_object_get(root, "versions"), "v1");
    if (parse_digests(json_object_get(root, "manifest"), CONTENT_PREFIX, &v) < 0 ||
        parse_digests(json_object_get(version, "state"), "", &state) < 0 ||
        strcmp(v.content_name, state.content_name) != 0 ||
        !digest_equal(&v.content.sha256, &state.content.sha256) || !digest_equal(&v.arrival, &state.arrival))
        return error_set(
            err, -EPROTO, shown,
            "the inventory's manifest and state must both name one content file and arrival.json");
    if (parse_fixity(json_object_get(root, "fixity"), &v) < 0)
        return error_set(err, -EPROTO, shown, "the inventory's fixity block does not name the content file");
    *ret = v;
    return 0;
}

void store_inventory_sidecar(const char *text, size_t size, char out[SIDECAR_SIZE])
{
    char hex[DIGEST_HEX_SIZE];
    struct digest d;

    digest_of(text, size, &d);
    digest_to_hex(&d, hex);
    snprintf(out, SIDECAR_SIZE, "%s inventory.json\n", hex);
}
