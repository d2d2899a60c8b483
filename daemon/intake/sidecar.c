/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sidecars: clip.mp4.json or clip.json beside clip.mp4, a JSON object with what the camera system knows (officer, case, times). It is
 * copied into the arrival, from where placing reads it; the file itself is sealed as a recording of its own later. One that cannot be
 * read is said in the arrival, so that a person sees why its facts are missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/fd.h"
#include "intake/intake-internal.h"

#define SIDECAR_MAX (16u * 1024)

/* Return: 0, -ENOENT (there is none), -EINVAL (it is of no use; err says why), other negative errno. */
static int read_sidecar(const struct item *item, const char *name, json_t **ret, struct error *err)
{
    _cleanup_close_ int fd = fd_open_beneath(item->source_dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    _cleanup_free_ char *text = malloc(SIDECAR_MAX + 1);
    _cleanup_json_ json_t *value = NULL;
    struct stat st;
    ssize_t n;
    int r;

    if (!text)
        return -ENOMEM;
    if (fd == -ENOENT)
        return fd;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "", "cannot be read as a file");
    n = fd_pread_full(fd, text, SIDECAR_MAX + 1, 0);
    if (n < 0)
        return error_set(err, -EINVAL, "", "cannot be read");
    if ((size_t)n > SIDECAR_MAX)
        return error_set(err, -EINVAL, "", "is larger than %u bytes", SIDECAR_MAX);
    r = json_parse(text, (size_t)n, name, &value, err);
    if (r == 0)
        value = json_reals_to_text(TAKE_PTR(value));
    if (r < 0 || !value)
        return r < 0 ? r : -ENOMEM;
    if (!json_is_object(value))
        return error_set(err, -EINVAL, "", "is not a JSON object");
    *ret = TAKE_PTR(value);
    return 0;
}

bool sidecar_was_used(const struct item *item)
{
    size_t n = strlen(item->path), m = strlen(item->folder->sidecar);
    _cleanup_json_ json_t *value = NULL;
    struct error ignored;
    int r = read_sidecar(item, item->source_name, &value, &ignored);

    return (r == 0 || r == -EINVAL) && n > m && intake_sidecar_is_used(item, item->path, n - m, value);
}

static int add_fault(json_t *arrival, const char *name, const struct error *err)
{
    _cleanup_free_ char *shown = encode_percent(name, strlen(name)), *text = NULL;

    if (!shown || asprintf(&text, "%s is not used: it %.400s", shown, err->text) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    return json_set_string(arrival, "sidecar_fault", text);
}

static int try_name(const struct item *item, const char *name, json_t *arrival)
{
    struct error err = ERROR_INIT;
    json_t *sidecar = NULL;
    int r = read_sidecar(item, name, &sidecar, &err);

    if (r == -EINVAL)
        return add_fault(arrival, name, &err);
    return r < 0 ? r : json_set_take(arrival, "sidecar", sidecar);
}

int sidecar_add(const struct item *item, json_t *arrival)
{
    const char *suffix = item->folder->sidecar, *dot = strrchr(item->source_name, '.');
    _cleanup_free_ char *full = NULL, *stem = NULL;
    int r;

    if (!*suffix || (dot && strcasecmp(dot, suffix) == 0))
        return 0;
    if (asprintf(&full, "%s%s", item->source_name, suffix) < 0) {
        full = NULL;
        return -ENOMEM;
    }
    r = strlen(full) > NAME_MAX ? -ENOENT : try_name(item, full, arrival);
    if (r == -ENOENT && dot) {
        if (asprintf(&stem, "%.*s%s", (int)(dot - item->source_name), item->source_name, suffix) < 0) {
            stem = NULL;
            return -ENOMEM;
        }
        r = strlen(stem) > NAME_MAX ? -ENOENT : try_name(item, stem, arrival);
    }
    return r == -ENOENT ? 0 : r;
}
