/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The small certificate authority (see authority.h): which files there are and when they are made. Cryptography is in base/x509.c.
 *
 * ca.key is made first and never replaced; a ca.pem that is missing is made from it again. Both under a lock on the folder, so that two
 * who need it at once end up with one.
 */
#include "ledger/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/durable.h"
#include "base/fd.h"
#include "base/x509.h"

#define FILE_MAX    (64u * 1024)
#define CA_DAYS     (20 * 365 + 5)
#define SERVER_DAYS 825          /* more is refused by some clients */
#define EARLIER     USEC_PER_DAY /* for devices whose clocks are behind */
#define NAMES_MAX   200
#define CA_KEY      "ca.key"
#define CA_PEM      "ca.pem"
#define SERVER_KEY  "server.key"
#define SERVER_PEM  "server.pem"

struct authority {
    char *folder; /* ARCHIVE/keys */
    char *key, *pem;
};

struct authority *authority_free(struct authority *a)
{
    if (!a)
        return NULL;
    if (a->key)
        explicit_bzero(a->key, strlen(a->key));
    free(a->key);
    free(a->pem);
    free(a->folder);
    free(a);
    return NULL;
}

const char *authority_ca_pem(const struct authority *a)
{
    return a->pem;
}

/* A private key, which nobody but us may read. Return: 0, -ENOENT, others with err set. */
static int read_key(int dirfd, const char *name, char **ret, struct error *err)
{
    struct stat st;
    int r;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? -ENOENT : error_errno(err, -errno, name, "cannot look at the key");
    if (!S_ISREG(st.st_mode) || st.st_mode & 077)
        return error_set(
            err, -EACCES, name,
            "others may read this key (mode %04o); right would be 0400, and a new key if somebody "
            "may have copied it",
            (unsigned)(st.st_mode & 07777));
    r = fd_read_file_at(dirfd, name, FILE_MAX, ret, NULL);
    return r < 0 ? error_errno(err, r, name, "cannot read the key") : 0;
}

static int write_file(int dirfd, const char *name, mode_t mode, const char *text, struct error *err)
{
    int r = durable_write_file(dirfd, name, mode, text, strlen(text));

    return r < 0 ? error_errno(err, r, name, "cannot write it into the folder of keys") : 0;
}

static int make_ca(int dirfd, const char *key, char **ret, struct error *err)
{
    char name[64], id[DIGEST_HEX_SIZE];
    int64_t now = clock_now_usec();
    struct x509_spec spec = {.use = X509_USE_CA,
                             .name = name,
                             .from_usec = now - EARLIER,
                             .until_usec = now + CA_DAYS * USEC_PER_DAY};
    _cleanup_free_ char *pem = NULL;
    int r = x509_key_read(key, id, err);

    snprintf(name, sizeof name, "Liuhen devices %.8s", id); /* so that those of two sites are told apart */
    r = r < 0 ? r : x509_self_sign(key, &spec, &pem, err);
    r = r < 0 ? r : write_file(dirfd, CA_PEM, 0444, pem, err);
    if (r == 0)
        *ret = TAKE_PTR(pem);
    return r;
}

static int check_pair(const char *key, const char *pem, struct error *err)
{
    char id[DIGEST_HEX_SIZE];
    struct x509_facts facts;
    int r = x509_key_read(key, id, err);

    r = r < 0 ? r : x509_read(pem, &facts, err);
    if (r < 0)
        return error_prefix(err, "keys/" CA_KEY " and keys/" CA_PEM);
    if (strcmp(id, facts.key_id) != 0)
        return error_set(err, -EPROTO, "keys/" CA_PEM,
                         "does not belong to keys/" CA_KEY
                         "; put the right pair back, or move both away to begin a new authority");
    return 0;
}

/* Reads or makes both files; the folder is locked. */
static int load(int dirfd, struct authority *a, struct error *err)
{
    int r = read_key(dirfd, CA_KEY, &a->key, err),
        s = fd_read_file_at(dirfd, CA_PEM, FILE_MAX, &a->pem, NULL);

    if (s < 0 && s != -ENOENT)
        return error_errno(err, s, "keys/" CA_PEM, "cannot read it");
    if (r == -ENOENT && s == 0)
        return error_set(err, -EPROTO, "keys/" CA_KEY,
                         "is missing, but keys/" CA_PEM " is there; put it back, or move " CA_PEM
                         " away to begin a new authority");
    if (r == -ENOENT) {
        r = x509_key_new(&a->key, err);
        r = r < 0 ? r : write_file(dirfd, CA_KEY, 0400, a->key, err);
    }
    if (r < 0)
        return r;
    return s == 0 ? check_pair(a->key, a->pem, err) : make_ca(dirfd, a->key, &a->pem, err);
}

static int open_folder(const struct authority *a, struct error *err)
{
    int dirfd = open(a->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dirfd < 0)
        return error_errno(err, -errno, a->folder, "cannot open the folder of keys");
    if (flock(dirfd, LOCK_EX) < 0) {
        int r = -errno;

        close(dirfd);
        return error_errno(err, r, a->folder, "cannot lock the folder of keys");
    }
    return dirfd;
}

int authority_open(const char *archive, struct authority **ret, struct error *err)
{
    _cleanup_(authority_freep) struct authority *a = calloc(1, sizeof *a);
    _cleanup_close_ int dirfd = -1;
    int r;

    if (!a || asprintf(&a->folder, "%s/keys", archive) < 0)
        return -ENOMEM;
    dirfd = open_folder(a, err);
    r = dirfd < 0 ? dirfd : load(dirfd, a, err);
    if (r == 0)
        *ret = TAKE_PTR(a);
    return r;
}

/* ---- the server's own certificate ---- */

struct names {
    char *items[NAMES_MAX];
    size_t n;
};

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
}

/* Adds a name once; what could not stand in a certificate is left out. */
static int add_name(struct names *names, const char *name)
{
    if (!*name || names->n == NAMES_MAX)
        return 0;
    for (const char *p = name; *p; p++)
        if (*p <= ' ' || *p >= 0x7F)
            return 0;
    for (size_t i = 0; i < names->n; i++)
        if (strcasecmp(names->items[i], name) == 0)
            return 0;
    names->items[names->n] = strdup(name);
    return names->items[names->n++] ? 0 : (names->n--, -ENOMEM);
}

/* Addresses of this machine that others can reach it by; link-local ones change with the cable. */
static int add_addresses(struct names *names)
{
    struct ifaddrs *list = NULL;
    char text[NI_MAXHOST];
    int r = 0;

    if (getifaddrs(&list) < 0)
        return 0; /* the names alone are good enough */
    for (const struct ifaddrs *i = list; r == 0 && i; i = i->ifa_next) {
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

        if ((family != AF_INET && family != AF_INET6) ||
            (family == AF_INET6 &&
             IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr)))
            continue;
        if (getnameinfo(i->ifa_addr, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            r = add_name(names, text);
    }
    freeifaddrs(list);
    return r;
}

static int collect_names(const char *const *given, size_t n, struct names *ret)
{
    char host[256] = "";
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_name(ret, given[i]);
    if (gethostname(host, sizeof host - 1) == 0)
        r = r < 0 ? r : add_name(ret, host);
    r = r < 0 ? r : add_name(ret, "localhost");
    r = r < 0 ? r : add_name(ret, "127.0.0.1");
    r = r < 0 ? r : add_name(ret, "::1");
    return r < 0 ? r : add_addresses(ret);
}

/* Whether the certificate that is there can go on: ours, its key's, for all names, and not more than half over. */
static bool is_good(const struct authority *a, const char *pem, const char *key, const struct names *names)
{
    int64_t now = clock_now_usec();
    char id[DIGEST_HEX_SIZE];
    struct x509_facts facts;

    if (x509_key_read(key, id, NULL) < 0 || x509_read(pem, &facts, NULL) < 0 ||
        strcmp(id, facts.key_id) != 0 || !x509_is_signed_by(pem, a->pem) || now < facts.from_usec ||
        now > facts.from_usec + (facts.until_usec - facts.from_usec) / 2)
        return false;
    for (size_t i = 0; i < names->n; i++)
        if (!x509_is_for(pem, names->items[i]))
            return false;
    return true;
}

static int make_server(const struct authority *a, int dirfd, const struct names *names, char **ret_pem,
                       char **ret_key, struct error *err)
{
    _cleanup_free_ char *key = NULL, *request = NULL, *pem = NULL, *chain = NULL;
    int64_t now = clock_now_usec();
    struct x509_spec spec = {.use = X509_USE_SERVER,
                             .name = names->items[0],
                             .names = (const char *const *)names->items,
                             .n_names = names->n,
                             .from_usec = now - EARLIER,
                             .until_usec = now + SERVER_DAYS * USEC_PER_DAY};
    int r = x509_key_new(&key, err);

    r = r < 0 ? r : x509_request_new(key, spec.name, &request, err);
    r = r < 0 ? r : x509_sign(a->pem, a->key, request, &spec, &pem, err);
    if (r == 0 && asprintf(&chain, "%s%s", pem, a->pem) < 0)
        chain = NULL, r = -ENOMEM;
    r = r < 0 ? r : write_file(dirfd, SERVER_KEY, 0400, key, err);
    r = r < 0 ? r : write_file(dirfd, SERVER_PEM, 0444, chain, err);
    if (r == 0) {
        *ret_pem = TAKE_PTR(chain);
        *ret_key = TAKE_PTR(key);
    }
    return r;
}

int authority_server_certificate(const struct authority *a, const char *const *names, size_t n,
                                 char **ret_pem, char **ret_key, struct error *err)
{
    _cleanup_(names_done) struct names all = {.n = 0};
    _cleanup_close_ int dirfd = open_folder(a, err);
    _cleanup_free_ char *pem = NULL, *key = NULL;
    int r = dirfd < 0 ? dirfd : collect_names(names, n, &all);

    if (r < 0)
        return r;
    r = read_key(dirfd, SERVER_KEY, &key, err);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && fd_read_file_at(dirfd, SERVER_PEM, FILE_MAX, &pem, NULL) == 0 &&
        is_good(a, pem, key, &all)) {
        *ret_pem = TAKE_PTR(pem);
        *ret_key = TAKE_PTR(key);
        return 0;
    }
    return make_server(a, dirfd, &all, ret_pem, ret_key, err);
}

/* ---- devices ---- */

int authority_sign_device(const struct authority *a, const char *request, const char *serial, const char *id,
                          int days, char **ret_pem, char ret_fingerprint[DIGEST_HEX_SIZE],
                          int64_t *ret_until_usec, struct error *err)
{
    int64_t now = clock_now_usec();
    char uri[128];
    const char *uris[] = {uri};
    struct x509_spec spec = {.use = X509_USE_CLIENT,
                             .name = strlen(serial) <= X509_NAME_LENGTH_MAX ? serial : id,
                             .names = uris,
                             .n_names = 1,
                             .from_usec = now - EARLIER,
                             .until_usec = now + days * USEC_PER_DAY};
    _cleanup_free_ char *pem = NULL;
    struct x509_facts facts;
    int r;

    if (days < 1 || days > AUTHORITY_DEVICE_DAYS_MAX)
        return error_set(err, -EINVAL, "days", "is out of range; right are 1 to %d days",
                         AUTHORITY_DEVICE_DAYS_MAX);
    if (strlen(request) > AUTHORITY_REQUEST_MAX)
        return error_set(err, -EINVAL, "request", "is too long; at most %u bytes are right",
                         AUTHORITY_REQUEST_MAX);
    snprintf(uri, sizeof uri, "urn:liuhen:device:%s", id);
    r = x509_sign(a->pem, a->key, request, &spec, &pem, err);
    r = r < 0 ? r : x509_read(pem, &facts, err);
    if (r < 0)
        return r;
    memcpy(ret_fingerprint, facts.fingerprint, DIGEST_HEX_SIZE);
    *ret_until_usec = facts.until_usec;
    *ret_pem = TAKE_PTR(pem);
    return 0;
}
