/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * OCFL storage root and extension 0004 (see store-layout.h; OCFL 1.1 section 4, extension text of 0004).
 */
#include "store/store-layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/fd.h"
#include "base/json.h"
#include "store/store-internal.h"

#define CONFIG_DIR  "extensions/" LAYOUT_EXTENSION
#define CONFIG_FILE CONFIG_DIR "/config.json"
#define ROOT_MODE   0400

static const char namaste_text[] = "ocfl_1.1\n";
static const char layout_text[] =
    "{\n"
    "  \"extension\": \"" LAYOUT_EXTENSION "\",\n"
    "  \"description\": \"One object a recording, id urn:liuhen:<ULID>. The object folder is named by the "
    "SHA-256 of the id "
    "in hexadecimal and lies below a folder named by that digest's first two digits.\"\n"
    "}\n";
static const char config_text[] = "{\n"
                                  "  \"extensionName\": \"" LAYOUT_EXTENSION "\",\n"
                                  "  \"digestAlgorithm\": \"sha256\",\n"
                                  "  \"tupleSize\": 2,\n"
                                  "  \"numberOfTuples\": 1,\n"
                                  "  \"shortObjectRoot\": false\n"
                                  "}\n";

/* A folder where our own creation was cut off holds nothing but these. */
static bool is_blank(int root_fd)
{
    struct store_names names = {0};
    bool blank = store_names_read(root_fd, ".", &names) == 0;

    for (size_t i = 0; blank && i < names.count; i++)
        blank = strcmp(names.names[i], "extensions") == 0 || strcmp(names.names[i], LAYOUT_FILE) == 0 ||
                strncmp(names.names[i], LAYOUT_FILE ".tmp-", strlen(LAYOUT_FILE ".tmp-")) == 0 ||
                strncmp(names.names[i], LAYOUT_NAMASTE ".tmp-", strlen(LAYOUT_NAMASTE ".tmp-")) == 0;
    for (size_t i = 0; blank && i < names.count; i++)
        if (strstr(names.names[i], ".tmp-"))
            (void)unlinkat(root_fd, names.names[i], 0);
    store_names_done(&names);
    return blank;
}

int store_layout_create(int root_fd, const char *shown, struct error *err)
{
    static const struct {
        const char *path, *text;
    } files[] = {{CONFIG_FILE, config_text}, {LAYOUT_FILE, layout_text}, {LAYOUT_NAMASTE, namaste_text}};
    int r;

    if (faccessat(root_fd, LAYOUT_NAMASTE, F_OK, 0) == 0)
        return 0;
    if (!is_blank(root_fd))
        return error_set(err, -EPROTO, shown,
                         "holds something but no OCFL 1.1 declaration (" LAYOUT_NAMASTE
                         "); name an empty folder");
    r = fd_mkdir_beneath(root_fd, CONFIG_DIR, 0700, true);
    if (r < 0)
        return error_errno(err, r, shown, "cannot make folder %s", CONFIG_DIR);
    /* the declaration comes last: a root that has one is whole */
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        r = durable_write_file(root_fd, files[i].path, ROOT_MODE, files[i].text, strlen(files[i].text));
        if (r < 0)
            return error_errno(err, r, shown, "cannot write %s", files[i].path);
    }
    return 0;
}

static int check_declaration(int root_fd, const char *shown, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int r = fd_read_file_at(root_fd, LAYOUT_NAMASTE, 64, &text, NULL);

    if (r == -ENOENT)
        return error_set(err, r, shown, "no OCFL 1.1 storage root (" LAYOUT_NAMASTE " is missing)");
    if (r < 0)
        return error_errno(err, r, shown, "cannot read " LAYOUT_NAMASTE);
    if (strcmp(text, namaste_text) != 0)
        return error_set(err, -EPROTO, shown, LAYOUT_NAMASTE " must hold \"ocfl_1.1\" and a newline");
    return 0;
}

static int read_json(int root_fd, const char *path, const char *shown, json_t **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = fd_read_file_at(root_fd, path, OBJECT_TEXT_MAX, &text, &size);

    if (r < 0)
        return error_errno(err, r == -ENOENT ? -EPROTO : r, shown, "cannot read %s", path);
    r = json_parse(text, size, shown, ret, err);
    if (r < 0)
        error_prefix(err, "%s", path);
    return r == -EINVAL ? -EPROTO : r;
}

int store_layout_read(int root_fd, const char *shown, struct store_layout *ret, struct error *err)
{
    _cleanup_json_ json_t *layout = NULL, *config = NULL;
    const char *extension, *algorithm;
    int64_t size, tuples;
    int r = check_declaration(root_fd, shown, err);

    if (r < 0)
        return r;
    r = read_json(root_fd, LAYOUT_FILE, shown, &layout, err);
    if (r < 0)
        return r;
    extension = json_get_string(layout, "extension");
    if (!extension || strcmp(extension, LAYOUT_EXTENSION) != 0)
        return error_set(err, -EPROTO, shown,
                         LAYOUT_FILE " names layout %s; only " LAYOUT_EXTENSION " can be used",
                         extension ?: "(none)");
    r = read_json(root_fd, CONFIG_FILE, shown, &config, err);
    if (r < 0)
        return r;
    /* defaults are those of the extension's text */
    algorithm = json_get_string(config, "digestAlgorithm") ?: "sha256";
    size = json_get_integer(config, "tupleSize", 3);
    tuples = json_get_integer(config, "numberOfTuples", 3);
    if (strcmp(algorithm, "sha256") != 0 || size < 0 || tuples < 0 || size > 32 || tuples > 32 ||
        size * tuples > 63 || (size == 0) != (tuples == 0))
        return error_set(err, -EPROTO, shown,
                         CONFIG_FILE
                         " has %s, tupleSize %lld, numberOfTuples %lld; sha256 with at most 63 digits in "
                         "tuples can be used",
                         algorithm, (long long)size, (long long)tuples);
    *ret = (struct store_layout){(unsigned)size, (unsigned)tuples,
                                 json_get_bool(config, "shortObjectRoot", false)};
    return 0;
}

void store_layout_path(const struct store_layout *l, const struct recording_id *id,
                       char out[LAYOUT_PATH_SIZE])
{
    char uri[ULID_LENGTH + 16], hex[DIGEST_HEX_SIZE];
    struct digest d;
    size_t at = 0;

    snprintf(uri, sizeof uri, "urn:liuhen:%s", id->text);
    digest_of(uri, strlen(uri), &d);
    digest_to_hex(&d, hex);
    for (unsigned i = 0; i < l->tuples; i++)
        at += (size_t)snprintf(out + at, LAYOUT_PATH_SIZE - at, "%.*s/", (int)l->tuple_size,
                               hex + i * l->tuple_size);
    snprintf(out + at, LAYOUT_PATH_SIZE - at, "%s", hex + (l->short_root ? l->tuple_size * l->tuples : 0));
}

static bool is_hex(const char *name, size_t length)
{
    return strlen(name) == length && strspn(name, "0123456789abcdef") == length;
}

bool store_layout_is_tuple(const struct store_layout *l, const char *name)
{
    return is_hex(name, l->tuple_size);
}

bool store_layout_is_object(const struct store_layout *l, const char *name)
{
    return is_hex(name, DIGEST_HEX_SIZE - 1 - (l->short_root ? l->tuple_size * l->tuples : 0));
}
