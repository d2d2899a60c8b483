/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen device connection-file`: what an administrator loads into a body-worn system. The daemon makes it, with a new key in it; here it
 * becomes a file that only its owner may read. The file is made before the key, so that no key is made that nobody gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "cli/cli.h"

#define PUBLIC_KEY_MAX (16u * 1024)

/* "KEY.public.pem" → "KEY.public": how the key is called unless it is said. */
static char *name_of_key(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

    return dot && dot > name ? strndup(name, (size_t)(dot - name)) : strdup(name);
}

/* Adds the public key, where one is given. Return: enum exit_code. */
static int add_key(const struct cli *c, json_t *body)
{
    const char *path = cli_option(c, "public-key"), *id = cli_option(c, "public-key-id");
    _cleanup_free_ char *text = NULL, *name = path ? name_of_key(path) : NULL;
    size_t size;
    int r;

    if (!path)
        return id ? cli_fail(CLI_USAGE, "--public-key-id", "names a key; give it with --public-key") : CLI_OK;
    r = fd_read_file_at(AT_FDCWD, path, PUBLIC_KEY_MAX, &text, &size);
    if (r < 0)
        return cli_fail(r == -ENOENT ? CLI_MISSING : CLI_REFUSED, path, "cannot be read: %s", strerror(-r));
    if (json_set_string(body, "public_key", text) < 0 ||
        json_set_string(body, "public_key_id", id ? id : name) < 0)
        return cli_fail(CLI_REFUSED, path, "is no public key; it must be PEM text");
    return CLI_OK;
}

/* The new file. Return: enum exit_code. */
static int open_output(const char *path, int *ret_fd)
{
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*ret_fd >= 0)
        return CLI_OK;
    if (errno == EEXIST)
        return cli_fail(CLI_REFUSED, path, "is there already; name another file with --out, or remove it");
    return cli_fail(CLI_REFUSED, path, "cannot be written: %s", strerror(errno));
}

static int write_output(int fd, const char *path, const json_t *file)
{
    _cleanup_free_ char *text = json_dumps(file, JSON_INDENT(2) | JSON_SORT_KEYS);
    int r = text ? fd_write_full(fd, text, strlen(text)) : -ENOMEM;

    r = r < 0 ? r : fd_write_full(fd, "\n", 1);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r < 0)
        return cli_fail(CLI_REFUSED, path, "cannot be written: %s; revoke the key that it would have held",
                        strerror(-r));
    printf("%s: load it into the body-worn system, then remove it: it holds the key\n", path);
    return CLI_OK;
}

static int ask(struct cli *c, const char *serial, json_t **ret)
{
    _cleanup_free_ char *target = client_target("/v1/devices/", serial, "/connection-file");
    json_t *body = json_object();
    int r = CLI_OK;

    if (!target || !body || json_set_string(body, "url", cli_option(c, "url")) < 0 ||
        json_set_string(body, "container", cli_option(c, "container")) < 0)
        r = cli_fail(CLI_REFUSED, serial, "what was given is not UTF-8");
    r = r != CLI_OK ? r : add_key(c, body);
    if (r != CLI_OK) {
        json_decref(body);
        return r;
    }
    return cli_ask(c, "POST", target, body, ret);
}

int cli_device_connection_file(struct cli *c, int argc, char **argv)
{
    const char *out = cli_option(c, "out");
    _cleanup_free_ char *safe = encode_safe_name(argv[0], strlen(argv[0])), *path = NULL;
    _cleanup_json_ json_t *file = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    if (c->json || (out && strcmp(out, "-") == 0)) {
        r = ask(c, argv[0], &file);
        return r == CLI_OK ? cli_print_json(file) : r;
    }
    if (!safe || (out ? asprintf(&path, "%s", out) : asprintf(&path, "%s-connection.json", safe)) < 0) {
        path = NULL;
        return cli_fail(CLI_BUSY, "", "out of memory");
    }
    r = open_output(path, &fd);
    if (r != CLI_OK)
        return r;
    r = ask(c, argv[0], &file);
    r = r != CLI_OK ? r : write_output(fd, path, file);
    if (r != CLI_OK)
        unlink(path);
    return r;
}
