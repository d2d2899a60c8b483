/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The transfers of a docking station over libcurl (see transfer.h). A connection on which nothing moves for STALL_SECONDS is given up,
 * so that a server that died without a word does not hold a station for ever; sealing a large file takes the server less.
 */
#include "cli/transfer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MAX      (1u << 20)
#define CONNECT_SECONDS 15L
#define STALL_SECONDS   300L
#define LOCATION_MAX    2000
#define RETRY_MAX       86400

struct transfer {
    struct transfer_site site;
    CURL *curl;
    char *base;          /* "https://host:8443", "http://liuhen" over a socket */
    char *authorization; /* whole header line; NULL = none */
};

/* This machine, by an address or the name that libcurl never asks the network for. host: "name", "name:port", "[address]:port" */
static bool is_loopback(const char *host)
{
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    _cleanup_free_ char *name = strndup(host, n);
    struct in_addr address;

    if (!name)
        return false;
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           (inet_pton(AF_INET, name, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127);
}

const char *transfer_check_server(const char *text)
{
    static const char *const right =
        "write https://host:8443, http://127.0.0.1:8480, or the path of the daemon's socket";
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : NULL;

    if (text[0] == '/')
        return NULL;
    if (!host || !*host || strpbrk(host, "/?#@ \\"))
        return right;
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p == 0x7f)
            return right;
    if (strncmp(text, "http://", 7) == 0 && !is_loopback(host))
        return "over the network anybody could read the token and the footage; write https://";
    return NULL;
}

static void init_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int transfer_new(const struct transfer_site *site, struct transfer **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    _cleanup_(transfer_freep) struct transfer *t = calloc(1, sizeof *t);

    pthread_once(&once, init_library); /* curl_easy_init alone would do it unguarded */
    if (!t)
        return -ENOMEM;
    t->site = *site;
    t->curl = curl_easy_init();
    t->base = strdup(site->server[0] == '/' ? "http://liuhen" : site->server);
    if (!t->curl || !t->base ||
        (site->token && asprintf(&t->authorization, "Authorization: Bearer %s", site->token) < 0))
        return -ENOMEM;
    *ret = TAKE_PTR(t);
    return 0;
}

struct transfer *transfer_free(struct transfer *t)
{
    if (!t)
        return NULL;
    curl_easy_cleanup(t->curl);
    if (t->authorization)
        explicit_bzero(t->authorization, strlen(t->authorization));
    free(t->authorization);
    free(t->base);
    free(t);
    return NULL;
}

void transfer_answer_done(struct transfer_answer *a)
{
    free(a->text);
    free(a->location);
    *a = (struct transfer_answer){.offset = -1, .retry_seconds = -1};
}

/* ---- what comes back ----------------------------------------------------------------------------------------------------- */

struct exchange {
    struct transfer *t;
    const struct transfer_request *request;
    struct transfer_answer answer;
    size_t sent;
    int fault; /* negative errno: why the answer was not taken */
};

static size_t on_body(char *data, size_t one, size_t n, void *userdata)
{
    struct exchange *x = userdata;
    char *bigger;

    if (n > ANSWER_MAX - x->answer.size) {
        x->fault = -EFBIG;
        return 0;
    }
    bigger = realloc(x->answer.text, x->answer.size + n + 1);
    if (!bigger) {
        x->fault = -ENOMEM;
        return 0;
    }
    memcpy(bigger + x->answer.size, data, n);
    x->answer.text = bigger;
    x->answer.size += n;
    bigger[x->answer.size] = '\0';
    return n;
}

/* A whole number of at most max; -1 when it is none. */
static int64_t read_number(const char *text, int64_t max)
{
    int64_t value = 0;

    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (max - (*text - '0')) / 10)
            return -1;
        value = value * 10 + (*text - '0');
    }
    return value;
}

/* The path of a Location; of another server's address nothing but the path is ever used. */
static char *location_path(const char *value)
{
    const char *scheme = strstr(value, "://");

    if (scheme) {
        value = strchr(scheme + 3, '/');
        if (!value)
            return NULL;
    }
    if (value[0] != '/' || value[1] == '/' || strlen(value) > LOCATION_MAX)
        return NULL;
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '#')
            return NULL;
    return strdup(value);
}

static void take_header(struct exchange *x, const char *name, const char *value)
{
    if (strcasecmp(name, "Location") == 0) {
        free(x->answer.location);
        x->answer.location = location_path(value);
    } else if (strcasecmp(name, "Upload-Offset") == 0) {
        x->answer.offset = read_number(value, INT64_MAX);
    } else if (strcasecmp(name, "Retry-After") == 0) {
        /* seconds; the other form, a date, is not used by our servers (RFC 9110 §10.2.3) */
        x->answer.retry_seconds = read_number(value, RETRY_MAX);
    }
}

static size_t on_header(char *data, size_t one, size_t n, void *userdata)
{
    struct exchange *x = userdata;
    char line[LOCATION_MAX + 64], *colon, *value;
    size_t length = n;

    if (n > 5 && memcmp(data, "HTTP/", 5) == 0) { /* the headers of a 100 do not count */
        free(x->answer.location);
        x->answer.location = NULL;
        x->answer.offset = x->answer.retry_seconds = -1;
    }
    while (length > 0 && (data[length - 1] == '\r' || data[length - 1] == '\n' || data[length - 1] == ' '))
        length--;
    if (length >= sizeof line)
        return n;
    memcpy(line, data, length);
    line[length] = '\0';
    colon = strchr(line, ':');
    if (!colon)
        return n;
    *colon = '\0';
    value = colon + 1;
    take_header(x, line, value + strspn(value, " \t"));
    return n;
}

/* ---- what goes out ------------------------------------------------------------------------------------------------------- */

static size_t on_read(char *buffer, size_t one, size_t n, void *userdata)
{
    struct exchange *x = userdata;
    size_t part = MIN(n, x->request->size - x->sent);

    memcpy(buffer, (const char *)x->request->body + x->sent, part);
    x->sent += part;
    if (x->request->on_sent)
        x->request->on_sent(x->request->userdata, x->sent);
    return part;
}

/* libcurl goes back to the beginning of a body when a kept connection turns out to be dead. */
static int on_seek(void *userdata, curl_off_t offset, int origin)
{
    struct exchange *x = userdata;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > x->request->size)
        return CURL_SEEKFUNC_CANTSEEK;
    x->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_tick(void *userdata, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct exchange *x = userdata;

    return x->t->site.stop && atomic_load(x->t->site.stop);
}

static bool is_pkcs12(const char *path)
{
    size_t n = strlen(path);

    return n > 4 && (strcasecmp(path + n - 4, ".p12") == 0 || strcasecmp(path + n - 4, ".pfx") == 0);
}

static void set_identity(CURL *h, const struct transfer_site *site)
{
    if (site->server[0] == '/')
        curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, site->server);
    if (site->ca) {
        curl_easy_setopt(h, CURLOPT_CAINFO, site->ca);
        curl_easy_setopt(h, CURLOPT_CAPATH, NULL); /* else the machine's folder of authorities counts too */
    }
    if (!site->certificate)
        return;
    curl_easy_setopt(h, CURLOPT_SSLCERT, site->certificate);
    curl_easy_setopt(h, CURLOPT_SSLCERTTYPE, is_pkcs12(site->certificate) ? "P12" : "PEM");
    if (site->key)
        curl_easy_setopt(h, CURLOPT_SSLKEY, site->key);
    if (site->password)
        curl_easy_setopt(h, CURLOPT_KEYPASSWD, site->password);
}

static int add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

static int set_headers(struct transfer *t, const struct transfer_request *q, struct curl_slist **ret)
{
    int r = add_header(ret, "Accept: application/json, */*;q=0.1");

    if (r == 0 && t->authorization)
        r = add_header(ret, t->authorization);
    for (size_t i = 0; r == 0 && i < TRANSFER_HEADERS_MAX && q->headers[i]; i++)
        r = add_header(ret, q->headers[i]);
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, *ret);
    return r;
}

static void set_body(CURL *h, struct exchange *x)
{
    if (!x->request->body)
        return;
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->request->size);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(h, CURLOPT_READDATA, x);
    curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(h, CURLOPT_SEEKDATA, x);
    curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
}

static int prepare(struct exchange *x, struct curl_slist **ret_headers)
{
    struct transfer *t = x->t;
    CURL *h = t->curl;
    _cleanup_free_ char *url = NULL;

    if (x->request->target[0] != '/') /* "https://host" "@elsewhere/" would be another server */
        return -EINVAL;
    if (asprintf(&url, "%s%s", t->base, x->request->target) < 0)
        return -ENOMEM;
    curl_easy_reset(h);
    set_identity(h, &t->site);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "liuhen-dock/" LIUHEN_VERSION);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_tick);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
    set_body(h, x);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, x->request->method);
    curl_easy_setopt(h, CURLOPT_NOBODY, strcmp(x->request->method, "HEAD") == 0 ? 1L : 0L);
    if (x->request->body) /* NOBODY = 0 made it a GET */
        curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    return set_headers(t, x->request, ret_headers);
}

static int failed(const struct exchange *x, CURLcode code, const char *detail, struct error *err)
{
    const char *server = x->t->site.server, *why = *detail ? detail : curl_easy_strerror(code);

    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_ABORTED_BY_CALLBACK:
        return error_set(err, TRANSFER_E_STOPPED, server, "stopped");
    case CURLE_WRITE_ERROR:
        return error_set(err, x->fault ? x->fault : -EIO, server,
                         "its answer is larger than any answer should be");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return error_set(err, TRANSFER_E_TRUST, server,
                         "its certificate is not trusted (%s); name the site's authority with --ca", why);
    case CURLE_SSL_CERTPROBLEM:
        return error_set(err, TRANSFER_E_TRUST, server, "our certificate or key cannot be used: %s", why);
    case CURLE_SSL_CONNECT_ERROR:
        return error_set(err, TRANSFER_E_TRUST, server, "no TLS connection: %s", why);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(err, TRANSFER_E_UNREACHABLE, server, "the server does not answer: %s", why);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, x->sent ? TRANSFER_E_BROKEN : TRANSFER_E_UNREACHABLE, server,
                         "the server does not answer: %s", why);
    default:
        return error_set(err, TRANSFER_E_BROKEN, server, "the connection broke off: %s", why);
    }
}

int transfer_do(struct transfer *t, const struct transfer_request *request, struct transfer_answer *ret,
                struct error *err)
{
    struct exchange x = {.t = t, .request = request, .answer = {.offset = -1, .retry_seconds = -1}};
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;
    int r = prepare(&x, &headers);

    if (r == 0) {
        curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, detail);
        code = curl_easy_perform(t->curl);
        curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
        r = code == CURLE_OK ? 0 : failed(&x, code, detail, err);
    }
    curl_slist_free_all(headers);
    if (r == 0 && !x.answer.text)
        r = (x.answer.text = strdup("")) ? 0 : -ENOMEM;
    if (r != 0) {
        transfer_answer_done(&x.answer);
        return r;
    }
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    x.answer.status = (unsigned)status;
    *ret = x.answer;
    return 0;
}
