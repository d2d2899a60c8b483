/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen device enrol`: a client certificate for a device, and what a dock or a browser imports. The private key is made here; the
 * daemon sees a certificate request only. No file is overwritten: a key that a device uses would be lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "base/x509.h"
#include "cli/cli.h"
#include "cli/print.h"

#define PASSWORD_LENGTH 24 /* of 32 letters: 120 bits */

struct enrolling {
    struct cli *cli;
    const char *folder;
    int dirfd;
    char *serial, *name; /* name: as a file name */
    char *key;           /* PEM */
    json_t *answer;
    char password[PASSWORD_LENGTH + 1];
};

static void enrolling_done(struct enrolling *e)
{
    if (e->key)
        explicit_bzero(e->key, strlen(e->key));
    explicit_bzero(e->password, sizeof e->password);
    free(e->key);
    free(e->serial);
    free(e->name);
    json_decrefp(&e->answer);
    fd_closep(&e->dirfd);
}

static int out_of_memory(void)
{
    return cli_fail(CLI_BUSY, "", "out of memory");
}

static int open_folder(struct enrolling *e)
{
    if (mkdir(e->folder, 0700) < 0 && errno != EEXIST)
        return cli_fail(CLI_REFUSED, e->folder, "cannot be made: %s", strerror(errno));
    e->dirfd = open(e->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return e->dirfd < 0 ? cli_fail(CLI_MISSING, e->folder, "cannot be opened: %s", strerror(errno)) : CLI_OK;
}

/* The serial by which the files are called, from the daemon: the word on the command line may be an id. */
static int ask_serial(struct enrolling *e, const char *device)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/devices/", device, NULL));
    _cleanup_json_ json_t *answer = NULL;
    const char *serial;
    int r = cli_ask(e->cli, "GET", target, NULL, &answer);

    if (r != CLI_OK)
        return r;
    serial = print_text(answer, "serial");
    e->serial = strdup(serial);
    e->name = encode_safe_name(serial, strlen(serial));
    return e->serial && e->name ? CLI_OK : out_of_memory();
}

static char *file_name(const struct enrolling *e, const char *suffix)
{
    char *name = NULL;

    return print_must(asprintf(&name, "%s.%s", e->name, suffix) < 0 ? NULL : name);
}

static int write_new(const struct enrolling *e, const char *name, mode_t mode, const void *data, size_t size)
{
    _cleanup_close_ int fd =
        openat(e->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    int r;

    if (fd < 0 && errno == EEXIST)
        return cli_fail(CLI_REFUSED, name, "is there already; choose another folder, or move it away");
    r = fd < 0 ? -errno : fd_write_full(fd, data, size);
    r = r < 0 ? r : fd_sync(fd);
    return r < 0 ? cli_fail(CLI_REFUSED, name, "cannot be written: %s", strerror(-r)) : CLI_OK;
}

static int write_file(const struct enrolling *e, const char *suffix, mode_t mode, const void *data,
                      size_t size)
{
    _cleanup_free_ char *name = file_name(e, suffix);

    return write_new(e, name, mode, data, size);
}

/* Many devices may be enrolled into one folder: the authority's certificate is there already then, and the same. */
static int write_ca(const struct enrolling *e, const char *pem)
{
    _cleanup_free_ char *there = NULL;

    if (fd_read_file_at(e->dirfd, "ca.pem", 65536, &there, NULL) == 0 && strcmp(there, pem) == 0)
        return CLI_OK;
    return write_new(e, "ca.pem", 0644, pem, strlen(pem));
}

/* None of the files may be there: it is better known before anything is done. */
static int check_free(const struct enrolling *e)
{
    static const char *const suffixes[] = {"key", "pem", "p12", "txt"};

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        _cleanup_free_ char *name = file_name(e, suffixes[i]);

        if (faccessat(e->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return cli_fail(CLI_REFUSED, name, "is there already; choose another folder, or move it away");
    }
    return CLI_OK;
}

/* Asks for the certificate; the key is on the disk by then. */
static int ask_certificate(struct enrolling *e, const char *request)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/devices/", e->serial, "/certificate"));
    json_t *body = json_object();
    int r = body ? cli_put(body, "request", request) : out_of_memory();

    r = r != CLI_OK ? r : cli_put(body, "days", cli_option(e->cli, "days"));
    r = r != CLI_OK ? r : cli_put(body, "label", cli_option(e->cli, "label"));
    if (r != CLI_OK) {
        json_decref(body);
        return r;
    }
    r = cli_ask(e->cli, "POST", target, body, &e->answer);
    if (r == CLI_OK && (!json_get_string(e->answer, "certificate") || !json_get_string(e->answer, "ca")))
        return cli_fail(CLI_REFUSED, "", "the daemon gave no certificate; it may be of another version");
    return r;
}

static int make_password(char out[PASSWORD_LENGTH + 1])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* none looks like another */
    unsigned char random[PASSWORD_LENGTH];

    if (getrandom(random, sizeof random, 0) != sizeof random)
        return cli_fail(CLI_BUSY, "", "the system gives no random bytes");
    for (size_t i = 0; i < sizeof random; i++)
        out[i] = letters[random[i] % 32];
    out[PASSWORD_LENGTH] = 0;
    explicit_bzero(random, sizeof random);
    return CLI_OK;
}

static int write_bundle(struct enrolling *e)
{
    _cleanup_free_ uint8_t *data = NULL;
    struct error err = ERROR_INIT;
    size_t size;
    int r = make_password(e->password);

    if (r != CLI_OK)
        return r;
    if (x509_bundle(e->key, json_get_string(e->answer, "certificate"), json_get_string(e->answer, "ca"),
                    e->serial, e->password, &data, &size, &err) < 0)
        return cli_fail(CLI_BUSY, "", "%s", err.text);
    r = write_file(e, "p12", 0600, data, size);
    explicit_bzero(data, size);
    return r;
}

static int write_help(const struct enrolling *e)
{
    _cleanup_free_ char *text = NULL;
    const char *n = e->name;

    if (asprintf(
            &text,
            "Client certificate of device %s for Liuhen\n\n"
            "%s.key  private key (PEM); whoever has it can deliver as this device\n"
            "%s.pem  certificate (PEM)\n"
            "ca.pem  the site's authority (PEM), by which the server is known\n"
            "%s.p12  all three with a password, which was shown once\n\n"
            "A dock, or anything with curl:\n"
            "  curl --cert %s.pem --key %s.key --cacert ca.pem -T FILE https://HOST:8443/upload/\n"
            "  liuhen dock --cert %s.pem --key %s.key --ca ca.pem …\n"
            "Windows, browsers, phones: open %s.p12 and give the password. Where the server's certificate\n"
            "is not trusted, import ca.pem as a root certificate too.\n"
            "Then delete these files from wherever the device does not need them.\n"
            "A device that is lost: liuhen device revoke %s %s\n",
            e->serial, n, n, n, n, n, n, n, n, e->serial, print_text(e->answer, "key")) < 0)
        return out_of_memory();
    return write_file(e, "txt", 0644, text, strlen(text));
}

static int report(const struct enrolling *e)
{
    char when[CALENDAR_TEXT_SIZE];
    _cleanup_json_ json_t *o = NULL;

    if (e->cli->json) {
        o = json_pack("{s:s, s:s, s:s, s:s, s:I}", "device", e->serial, "key", print_text(e->answer, "key"),
                      "folder", e->folder, "password", e->password, "expires",
                      (json_int_t)json_get_integer(e->answer, "expires", 0));
        return o ? cli_print_json(o) : out_of_memory();
    }
    print_field("device", "%s", e->serial);
    print_field("key", "%s", print_text(e->answer, "key"));
    print_field("good until", "%s",
                print_time(e->cli->zone, json_get_integer(e->answer, "expires", 0), true, when));
    print_field("files", "%s%s%s.key, .pem, .p12, .txt and ca.pem", e->folder,
                e->folder[strlen(e->folder) - 1] == '/' ? "" : "/", e->name);
    print_field("password", "%s  (of the .p12; shown this once)", e->password);
    return CLI_OK;
}

/* Makes key and request; the key is written before anybody signs for it, and taken away again when nobody does. */
static int enrol(struct enrolling *e)
{
    _cleanup_free_ char *request = NULL, *key_name = file_name(e, "key");
    struct error err = ERROR_INIT;
    int r = check_free(e);

    if (r != CLI_OK)
        return r;
    if (x509_key_new(&e->key, &err) < 0 || x509_request_new(e->key, e->serial, &request, &err) < 0)
        return cli_fail(CLI_BUSY, "", "%s", err.text);
    r = write_new(e, key_name, 0600, e->key, strlen(e->key));
    if (r != CLI_OK)
        return r;
    r = ask_certificate(e, request);
    if (r != CLI_OK) {
        unlinkat(e->dirfd, key_name, 0);
        return r;
    }
    r = write_file(e, "pem", 0644, json_get_string(e->answer, "certificate"),
                   strlen(json_get_string(e->answer, "certificate")));
    r = r != CLI_OK ? r : write_ca(e, json_get_string(e->answer, "ca"));
    r = r != CLI_OK ? r : write_bundle(e);
    r = r != CLI_OK ? r : write_help(e);
    return r != CLI_OK ? r : report(e);
}

/* A certificate of another authority is only noted. */
static int note_fingerprint(struct cli *c, const char *device)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/devices/", device, "/certificate"));
    _cleanup_json_ json_t *body = NULL, *answer = NULL;
    int r;

    if (cli_option(c, "out") || cli_option(c, "days"))
        return cli_fail(CLI_USAGE, "device enrol", "--fingerprint goes with --expires and --label only");
    r = cli_body_of_options(c, &body);
    r = r != CLI_OK ? r : cli_ask(c, "POST", target, TAKE_PTR(body), &answer);
    if (r != CLI_OK)
        return r;
    if (c->json)
        return cli_print_json(answer);
    printf("certificate noted as key %s of %s\n", print_text(answer, "key"),
           print_text(json_get_object(answer, "device"), "serial"));
    return CLI_OK;
}

int cli_device_enrol(struct cli *c, int argc, char **argv)
{
    _cleanup_(enrolling_done) struct enrolling e = {.cli = c, .folder = cli_option(c, "out"), .dirfd = -1};
    int r;

    if (cli_option(c, "fingerprint"))
        return note_fingerprint(c, argv[0]);
    if (!e.folder || !*e.folder || cli_option(c, "expires"))
        return cli_fail(CLI_USAGE, "device enrol",
                        e.folder && *e.folder ? "--expires goes with --fingerprint; give --days"
                                              : "--out is missing; give the folder for key and certificate");
    r = ask_serial(&e, argv[0]);
    r = r != CLI_OK ? r : open_folder(&e);
    return r != CLI_OK ? r : enrol(&e);
}
