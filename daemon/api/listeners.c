/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening the listeners (see listeners.h). They stay as they are until the daemon ends: a reload does not touch them.
 */
#include "api/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "ledger/authority.h"

#define PEM_MAX (256u * 1024)

static const char *const kind_names[] = {
    [HTTP_UNIX] = "unix", [HTTP_LOOPBACK] = "loopback", [HTTP_TLS] = "tls"};

static bool has(const struct listeners *l, enum http_kind kind)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->list[i].kind == kind)
            return true;
    return false;
}

static int add(struct listeners *l, int fd, enum http_kind kind, struct error *err)
{
    if (l->n == LISTENERS_MAX) {
        close(fd);
        return error_set(err, -EMFILE, "", "more than %d sockets were handed over; hand over fewer",
                         LISTENERS_MAX);
    }
    l->list[l->n++] = (struct http_listener){fd, kind};
    return 0;
}

/* ---- handed over -------------------------------------------------------------------------------------------------------- */

/* By its name, else by family and address: what does not stay on this machine must be TLS. */
static int kind_of(const struct api_handed *h, enum http_kind *ret, struct error *err)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address, four = sizeof(int);
    int listening = 0;
    char object[64];

    snprintf(object, sizeof object, "socket %d (%s)", h->fd, h->name ? h->name : "");
    if (getsockname(h->fd, (struct sockaddr *)&address, &size) < 0)
        return error_errno(err, -errno, object, "was handed over but is no socket");
    if (getsockopt(h->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &four) < 0 || !listening)
        return error_set(err, -EINVAL, object,
                         "was handed over but does not listen; write ListenStream= and Accept=no");
    if (address.ss_family == AF_UNIX)
        *ret = HTTP_UNIX;
    else if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
        return error_set(err, -EINVAL, object,
                         "is of a family that nothing is served on; use unix, IPv4 or IPv6");
    else
        *ret =
            http_is_loopback((const struct sockaddr *)&address) && !(h->name && strcmp(h->name, "tls") == 0)
                ? HTTP_LOOPBACK
                : HTTP_TLS;
    for (size_t i = 0; h->name && i < ARRAY_SIZE(kind_names); i++)
        if (strcmp(h->name, kind_names[i]) == 0 && *ret != (enum http_kind)i)
            return error_set(err, -EINVAL, object,
                             "is named %s but its address is not for that; name it %s, or leave the name out",
                             h->name, kind_names[*ret]);
    return 0;
}

static int add_handed(struct listeners *l, const struct api_handed *handed, size_t n, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        enum http_kind kind = HTTP_UNIX;

        if (r == 0)
            r = kind_of(&handed[i], &kind, err);
        if (r == 0)
            r = add(l, handed[i].fd, kind, err);
        else
            close(handed[i].fd);
    }
    return r;
}

/* ---- made --------------------------------------------------------------------------------------------------------------- */

static int make_unix(struct listeners *l, const struct settings *s, struct error *err)
{
    int fd = http_listen_unix(s->socket.path, s->socket.mode, err);

    if (fd < 0)
        return fd;
    l->path = strdup(s->socket.path);
    if (!l->path || lstat(l->path, &l->made) < 0) {
        close(fd);
        return -ENOMEM;
    }
    return add(l, fd, HTTP_UNIX, err);
}

static int make_tcp(struct listeners *l, const char *address, enum http_kind kind, struct error *err)
{
    int fd;

    if (!*address || has(l, kind))
        return 0;
    fd = http_listen_tcp(address, kind == HTTP_LOOPBACK, err);
    return fd < 0 ? fd : add(l, fd, kind, err);
}

/* ---- TLS ---------------------------------------------------------------------------------------------------------------- */

static int read_pem(const char *path, const char *setting, char **ret, struct error *err)
{
    size_t size;
    int r = fd_read_file_at(AT_FDCWD, path, PEM_MAX, ret, &size);

    if (r < 0)
        return error_errno(err, r, path, "cannot be read (%s); the daemon's user must be able to", setting);
    if (!strstr(*ret, "-----BEGIN "))
        return error_set(err, -EINVAL, path, "is no PEM text (%s); it should begin with -----BEGIN", setting);
    return 0;
}

/* What the settings do not name comes from the site's own authority, which is made at first need. */
static int ask_authority(struct listeners *l, const struct settings *s, struct error *err)
{
    _cleanup_(authority_freep) struct authority *a = NULL;
    int r = authority_open(s->archive.path, &a, err);

    if (r == 0 && !l->certificate)
        r = authority_server_certificate(a, (const char *const *)s->http.names.items, s->http.names.n,
                                         &l->certificate, &l->key, err);
    if (r == 0 && !l->client_ca) {
        l->client_ca = strdup(authority_ca_pem(a));
        r = l->client_ca ? 0 : -ENOMEM;
    }
    return r;
}

static int read_tls(struct listeners *l, const struct settings *s, struct error *err)
{
    int r = 0;

    if (!has(l, HTTP_TLS))
        return 0;
    if (!*s->http.certificate != !*s->http.key)
        return error_set(err, -EINVAL, *s->http.key ? "http.key" : "http.certificate",
                         "is given without the other of certificate and key; give both, or none");
    if (*s->http.certificate)
        r = read_pem(s->http.certificate, "http.certificate", &l->certificate, err);
    if (r == 0 && *s->http.certificate)
        r = read_pem(s->http.key, "http.key", &l->key, err);
    if (r == 0 && *s->http.client_ca)
        r = read_pem(s->http.client_ca, "http.client_ca", &l->client_ca, err);
    return r == 0 && !(l->certificate && l->client_ca) ? ask_authority(l, s, err) : r;
}

int listeners_open(struct listeners *l, const struct settings *s, const struct api_handed *handed,
                   size_t n_handed, struct error *err)
{
    int r = add_handed(l, handed, n_handed, err);

    if (r == 0 && !has(l, HTTP_UNIX))
        r = make_unix(l, s, err);
    r = r != 0 ? r : make_tcp(l, s->http.loopback, HTTP_LOOPBACK, err);
    r = r != 0 ? r : make_tcp(l, s->http.tls, HTTP_TLS, err);
    return r != 0 ? r : read_tls(l, s, err);
}

/* An address that was asked for with port 0, or comes from systemd, is only known to the socket. */
static json_t *address_of(const struct http_listener *one)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[64], port[8];

    if (getsockname(one->fd, (struct sockaddr *)&address, &size) < 0)
        return json_string("?");
    if (one->kind == HTTP_UNIX)
        return json_string(((const struct sockaddr_un *)&address)->sun_path);
    if (getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return json_string("?");
    return json_sprintf(strchr(host, ':') ? "%s://[%s]:%s" : "%s://%s:%s",
                        one->kind == HTTP_TLS ? "https" : "http", host, port);
}

json_t *listeners_addresses(const struct listeners *l)
{
    json_t *list = json_array();

    for (size_t i = 0; i < l->n && list; i++)
        if (json_array_append_new(list, address_of(&l->list[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

size_t listeners_take(struct listeners *l)
{
    size_t n = l->n;

    l->n = 0;
    return n;
}

void listeners_unlink(struct listeners *l)
{
    struct stat now;

    if (l->path && lstat(l->path, &now) == 0 && now.st_ino == l->made.st_ino && now.st_dev == l->made.st_dev)
        unlink(l->path);
    free(TAKE_PTR(l->path));
}

void listeners_done(struct listeners *l)
{
    listeners_unlink(l);
    for (size_t i = 0; i < l->n; i++)
        close(l->list[i].fd);
    l->n = 0;
    free(TAKE_PTR(l->certificate));
    free(TAKE_PTR(l->key));
    free(TAKE_PTR(l->client_ca));
}
