/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The connection file of a body-worn system: JSON that an administrator loads into it, so that its cameras upload by themselves. It
 * says where we are, by which certificate we are known, and holds a new token (its last part: the system takes at most 64 bytes),
 * which is nowhere else. Capabilities are published by the door itself, therefore FullStoreAndReadSupport is false: a promise for
 * capabilities to come cannot be taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/handlers.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/x509.h"
#include "cases/device-watch.h"
#include "doors/swift-names.h"
#include "ledger/authority.h"

/* What body-worn systems take. */
#define FILE_MAX        (64u << 10)
#define SITE_NAME_MAX   64
#define USER_NAME_MAX   64
#define URIS_MAX        10
#define URI_MAX         512
#define CERTIFICATE_MAX (16u << 10)
#define PUBLIC_KEY_MAX  2048
#define KEY_ID_MAX      128
#define SIGN_IN         "/auth/v1.0"

enum { URL, CONTAINER, PUBLIC_KEY, PUBLIC_KEY_ID, N_MEMBERS };

struct making {
    struct call *call;
    const char *text[N_MEMBERS];
    struct device_row device;
    char key[ULID_LENGTH + 1], token[DEVICE_TOKEN_SIZE];
    bool is_https;
};

/* ---- where we are ------------------------------------------------------------------------------------------------------- */

static int add_uri(struct making *m, json_t *list, const char *base, struct error *err)
{
    _cleanup_free_ char *uri = NULL;

    if (json_array_size(list) == URIS_MAX)
        return error_set(err, DEVICES_E_INPUT, "url",
                         "names more than %d addresses; the system takes no more", URIS_MAX);
    if (asprintf(&uri, "%s" SIGN_IN, base) < 0) {
        uri = NULL;
        return -ENOMEM;
    }
    if (strlen(uri) > URI_MAX)
        return error_set(err, DEVICES_E_INPUT, "url", "has an address of more than %d bytes", URI_MAX);
    m->is_https = m->is_https || strncmp(uri, "https://", 8) == 0;
    return json_array_append_new(list, json_string(uri)) < 0 ? -ENOMEM : 0;
}

/* "https://host[:port]", with or without the path that is always the same. */
static int add_given(struct making *m, json_t *list, char *word, struct error *err)
{
    size_t n = strlen(word), tail = strlen(SIGN_IN);
    const char *host = strncmp(word, "https://", 8) == 0  ? word + 8
                       : strncmp(word, "http://", 7) == 0 ? word + 7
                                                          : NULL;

    if (n > tail && strcmp(word + n - tail, SIGN_IN) == 0)
        word[n -= tail] = 0;
    if (n > 0 && word[n - 1] == '/')
        word[n - 1] = 0;
    if (!host || !swift_host_is_valid(host))
        return error_set(err, DEVICES_E_INPUT, "url",
                         "has an address that is none; write https://host:8443, several with commas between");
    return add_uri(m, list, word, err);
}

static int given_uris(struct making *m, json_t *list, struct error *err)
{
    _cleanup_free_ char *text = strdup(m->text[URL]);
    char *rest = text, *word;
    int r = text ? 0 : -ENOMEM;

    while (r == 0 && (word = strsep(&rest, " ,")))
        if (*word)
            r = add_given(m, list, word, err);
    return r;
}

/* What stands behind the last ':' of a listening address. */
static const char *port_of(const char *address)
{
    const char *colon = strrchr(address, ':');

    return colon ? colon + 1 : "443";
}

static int add_host(struct making *m, json_t *list, const char *host, const char *port, struct error *err)
{
    _cleanup_free_ char *base = NULL;
    bool bare6 = strchr(host, ':') && *host != '[';

    if (asprintf(&base, "https://%s%s%s:%s", bare6 ? "[" : "", host, bare6 ? "]" : "", port) < 0) {
        base = NULL;
        return -ENOMEM;
    }
    return add_uri(m, list, base, err);
}

/* By the names that stand in our certificate, else by the machine's own. */
static int own_uris(struct making *m, json_t *list, struct error *err)
{
    const struct settings *s = m->call->settings;
    char name[256];
    int r = 0;

    if (!*s->http.tls)
        return error_set(
            err, DEVICES_E_INPUT, "url",
            "is needed, as nothing listens for HTTPS (http.tls in the settings); write https://host:8443");
    for (size_t i = 0; r == 0 && i < s->http.names.n && i < URIS_MAX; i++)
        r = add_host(m, list, s->http.names.items[i], port_of(s->http.tls), err);
    if (r != 0 || json_array_size(list) > 0)
        return r;
    if (gethostname(name, sizeof name) < 0)
        return -errno;
    name[sizeof name - 1] = 0;
    return add_host(m, list, name, port_of(s->http.tls), err);
}

static int set_uris(struct making *m, json_t *file, struct error *err)
{
    json_t *list = json_array();
    bool given = m->text[URL] && *m->text[URL];
    int r = json_set_take(file, "AuthenticationTokenURI", list);

    r = r < 0 ? r : given ? given_uris(m, list, err) : own_uris(m, list, err);
    if (r == 0 && json_array_size(list) == 0)
        r = error_set(err, DEVICES_E_INPUT, "url", "names no address; write https://host:8443");
    return r;
}

/* ---- by which certificate we are known ---------------------------------------------------------------------------------- */

/* The site's own authority, or the certificate that the settings name, PEM. */
static int read_certificate(const struct settings *s, char **ret, struct error *err)
{
    _cleanup_(authority_freep) struct authority *a = NULL;
    size_t size;
    int r;

    if (*s->http.certificate) {
        r = fd_read_file_at(AT_FDCWD, s->http.certificate, CERTIFICATE_MAX, ret, &size);
        return r < 0 ? error_errno(err, r, s->http.certificate, "cannot be read (http.certificate)") : 0;
    }
    r = authority_open(s->archive.path, &a, err);
    if (r != 0)
        return r;
    *ret = strdup(authority_ca_pem(a));
    return *ret ? 0 : -ENOMEM;
}

static int set_certificate(const struct making *m, json_t *file, struct error *err)
{
    _cleanup_free_ char *pem = NULL, *base64 = NULL;
    json_t *list = NULL;
    int r = m->is_https ? read_certificate(m->call->settings, &pem, err) : 0;

    if (r != 0 || !m->is_https)
        return r;
    base64 = encode_base64(pem, strlen(pem));
    if (!base64)
        return -ENOMEM;
    if (strlen(base64) > CERTIFICATE_MAX)
        return error_set(
            err, DEVICES_E_INPUT, "http.certificate",
            "is too long for a body-worn system (%u bytes); keep only what is needed of its chain",
            CERTIFICATE_MAX);
    list = json_pack("[s]", base64);
    return json_set_take(file, "HTTPSCertificate", list);
}

/* ---- encryption --------------------------------------------------------------------------------------------------------- */

/* The system encrypts clips for this key; whoever has its private half reads them. */
static int set_encryption(const struct making *m, json_t *file, struct error *err)
{
    const char *pem = m->text[PUBLIC_KEY], *id = m->text[PUBLIC_KEY_ID];
    _cleanup_free_ char *base64 = NULL;
    bool wanted = pem && *pem;
    int r = json_set_bool(file, "WantEncryption", wanted);

    if (r < 0 || (!wanted && !(id && *id)))
        return r;
    if (!wanted || !id || !*id || strlen(id) > KEY_ID_MAX || !utf8_is_valid(id, strlen(id)))
        return error_set(err, DEVICES_E_INPUT, "public_key_id",
                         "goes with public_key, and names it in 1 to %d bytes", KEY_ID_MAX);
    r = x509_check_rsa_public(pem, err);
    if (r == -EINVAL)
        r = err->code = DEVICES_E_INPUT;
    if (r != 0)
        return r;
    base64 = encode_base64(pem, strlen(pem));
    if (!base64)
        return -ENOMEM;
    if (strlen(base64) > PUBLIC_KEY_MAX)
        return error_set(err, DEVICES_E_INPUT, "public_key",
                         "is too long for a body-worn system (%d bytes in base64)", PUBLIC_KEY_MAX);
    r = json_set_string(file, "PublicKey", base64);
    return r < 0 ? r : json_set_string(file, "PublicKeyId", id);
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------- */

static int set_rest(const struct making *m, json_t *file, struct error *err)
{
    const char *container = m->text[CONTAINER] && *m->text[CONTAINER] ? m->text[CONTAINER] : "mkv";
    char site[SITE_NAME_MAX + 1];
    int r;

    if (strcmp(container, "mkv") != 0 && strcmp(container, "mp4") != 0)
        return error_set(err, DEVICES_E_INPUT, "container", "is mkv or mp4");
    snprintf(site, sizeof site, "%s", m->call->settings->site.name);
    utf8_repair(site, sizeof site);
    r = json_set_string(file, "ConnectionFileVersion", "1.0");
    r = r < 0 ? r : json_set_string(file, "SiteName", site);
    r = r < 0 ? r : json_set_string(file, "ApplicationName", "Liuhen");
    r = r < 0 ? r : json_set_string(file, "ApplicationVersion", LIUHEN_VERSION);
    r = r < 0 ? r : json_set_bool(file, "ContentDestinationAsNTPServer", false);
    r = r < 0 ? r : json_set_string(file, "ContainerType", container);
    r = r < 0 ? r : json_set_bool(file, "FullStoreAndReadSupport", false);
    return r < 0 ? r : json_set_string(file, "BlobAPIUserName", m->device.serial);
}

static int check_device(struct making *m)
{
    struct call *c = m->call;
    int r = device_resolve(c->db, c->args[0], &m->device, &c->err);

    if (r != 0)
        return r;
    if (strcmp(m->device.kind, "system") != 0)
        return error_set(&c->err, DEVICES_E_INPUT, m->device.serial,
                         "is registered as %s; connection files are for devices of kind system",
                         m->device.kind);
    if (strlen(m->device.serial) > USER_NAME_MAX)
        return error_set(
            &c->err, DEVICES_E_INPUT, m->device.serial,
            "is longer than a body-worn system's user name may be (%d bytes); register a shorter one",
            USER_NAME_MAX);
    return 0;
}

static int make_token(struct txn *t, void *userdata, struct error *err)
{
    struct making *m = userdata;
    struct device_context context = {m->call->who->actor, m->call->settings->site.zone};

    return device_token_add(t, &context, m->device.id, "connection file", NULL, m->key, m->token, err);
}

/* The token comes last: nothing is left behind by what was refused. */
static int set_token(struct making *m, json_t *file)
{
    _cleanup_free_ char *text = NULL;
    int r = json_set_string(file, "BlobAPIKey", "0123456789012345678901234567890123456789012345678901");

    r = r < 0 ? r : json_canonical(file, &text);
    if (r == 0 && strlen(text) > FILE_MAX)
        return error_set(&m->call->err, DEVICES_E_INPUT, m->device.serial,
                         "would have a connection file of more than %u bytes; name fewer addresses",
                         FILE_MAX);
    r = r < 0 ? r : writer_run(m->call->context->writer, false, make_token, m, &m->call->err);
    if (r == -EAGAIN && !*m->call->err.text)
        return error_set(&m->call->err, r, "",
                         "the catalogue takes no changes at the moment; try again later");
    if (r != 0)
        return r;
    devices_changed();
    return json_set_string(file, "BlobAPIKey", strrchr(m->token, '_') + 1);
}

int handle_connection_file(struct call *c)
{
    static const char *const names[N_MEMBERS] = {"url", "container", "public_key", "public_key_id"};
    _cleanup_json_ json_t *file = json_object();
    struct making m = {.call = c};
    int r = file ? read_members(c, names, N_MEMBERS, 0, m.text) : -ENOMEM;

    r = r != 0 ? r : check_device(&m);
    r = r != 0 ? r : set_rest(&m, file, &c->err);
    r = r != 0 ? r : set_uris(&m, file, &c->err);
    r = r != 0 ? r : set_certificate(&m, file, &c->err);
    r = r != 0 ? r : set_encryption(&m, file, &c->err);
    r = r != 0 ? r : set_token(&m, file);
    explicit_bzero(m.token, sizeof m.token);
    if (r != 0)
        return r;
    c->status = 201;
    c->answer = TAKE_PTR(file);
    return 0;
}
