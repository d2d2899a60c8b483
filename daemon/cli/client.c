/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client over libcurl (see client.h). One easy handle is kept, so that the pages of a list share a connection.
 */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#define ANSWER_MAX     (64u << 20)
#define LINE_MAX_BYTES (1u << 20)

struct text {
    char *data;
    size_t size;
    size_t max;
};

struct client {
    const char *socket;
    CURL *curl;
};

int client_new(const char *socket, struct client **ret)
{
    struct client *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    c->socket = socket;
    c->curl = curl_easy_init();
    if (!c->curl) {
        free(c);
        return -ENOMEM;
    }
    *ret = c;
    return 0;
}

struct client *client_free(struct client *c)
{
    if (!c)
        return NULL;
    curl_easy_cleanup(c->curl);
    free(c);
    return NULL;
}

static int text_add(struct text *t, const char *data, size_t size)
{
    char *bigger;

    if (t->size + size > t->max)
        return -EFBIG;
    bigger = realloc(t->data, t->size + size + 1);
    if (!bigger)
        return -ENOMEM;
    memcpy(bigger + t->size, data, size);
    t->data = bigger;
    t->size += size;
    t->data[t->size] = '\0';
    return 0;
}

static size_t on_body(char *data, size_t one, size_t n, void *userdata)
{
    return text_add(userdata, data, n) < 0 ? 0 : n;
}

/* What a failed transfer means. */
static int transfer_failed(const struct client *c, CURLcode code, struct error *err)
{
    long os = 0;

    curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os);
    if (code != CURLE_COULDNT_CONNECT)
        return error_set(err, code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ECONNRESET, c->socket,
                         "the daemon's answer broke off: %s", curl_easy_strerror(code));
    if (os == ENOENT || os == ENOTDIR)
        return error_set(err, -ENOENT, c->socket,
                         "there is no such socket, so the daemon is not running here");
    if (os == EACCES || os == EPERM)
        return error_set(
            err, -EACCES, c->socket,
            "you may not open the daemon's socket; ask for membership in the group that owns it");
    if (os == EAGAIN)
        return error_set(err, -EAGAIN, c->socket, "the daemon is too busy to take another connection");
    return error_set(err, -ECONNREFUSED, c->socket,
                     "nobody answers on this socket, so the daemon is not running%s%s",
                     os && os != ECONNREFUSED ? ": " : "", os && os != ECONNREFUSED ? strerror((int)os) : "");
}

/* Options of every request. */
static int prepare(struct client *c, const char *method, const char *target, struct curl_slist **ret_headers,
                   const char *body)
{
    _cleanup_free_ char *url = NULL;
    CURL *h = c->curl;

    if (asprintf(&url, "http://liuhen%s", target) < 0)
        return -ENOMEM;
    curl_easy_reset(h);
    curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(h, CURLOPT_USERAGENT, "liuhen/" LIUHEN_VERSION);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    *ret_headers = NULL;
    if (body) {
        *ret_headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (!*ret_headers)
            return -ENOMEM;
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
    }
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, *ret_headers);
    return 0;
}

int client_call(struct client *c, const char *method, const char *target, const char *body,
                unsigned *ret_status, char **ret_text, struct error *err)
{
    struct text text = {.max = ANSWER_MAX};
    struct curl_slist *headers;
    long status = 0;
    CURLcode code;
    int r = prepare(c, method, target, &headers, body);

    if (r < 0)
        return r;
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &text);
    code = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        free(text.data);
        return transfer_failed(c, code, err);
    }
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!text.data && text_add(&text, "", 0) < 0)
        return -ENOMEM;
    *ret_status = (unsigned)status;
    *ret_text = text.data;
    return 0;
}

struct fetch {
    struct client *client;
    int (*on_data)(void *userdata, const void *data, size_t size);
    void *userdata;
    struct text text; /* of an answer other than 200 */
    long status;
    int result;
};

static size_t on_fetch(char *data, size_t one, size_t n, void *userdata)
{
    struct fetch *f = userdata;

    if (!f->status)
        curl_easy_getinfo(f->client->curl, CURLINFO_RESPONSE_CODE, &f->status);
    f->result = f->status == 200 ? f->on_data(f->userdata, data, n) : text_add(&f->text, data, n);
    return f->result == 0 ? n : 0;
}

int client_fetch(struct client *c, const char *target,
                 int (*on_data)(void *userdata, const void *data, size_t size), void *userdata,
                 unsigned *ret_status, char **ret_text, struct error *err)
{
    struct fetch f = {.client = c, .on_data = on_data, .userdata = userdata, .text.max = LINE_MAX_BYTES};
    struct curl_slist *headers;
    CURLcode code;
    int r = prepare(c, "GET", target, &headers, NULL);

    if (r < 0)
        return r;
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_fetch);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &f);
    code = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        free(f.text.data);
        return f.result != 0 ? f.result : transfer_failed(c, code, err);
    }
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &f.status);
    if (!f.text.data && text_add(&f.text, "", 0) < 0)
        return -ENOMEM;
    *ret_status = (unsigned)f.status;
    *ret_text = f.text.data;
    return 0;
}

/* Lines of a stream being put together. */
struct follow {
    struct client *client;
    const struct client_stream *stream;
    struct text text;
    long status;
    int result;
};

static size_t on_stream(char *data, size_t one, size_t n, void *userdata)
{
    struct follow *f = userdata;
    char *line, *end;

    if (!f->status)
        curl_easy_getinfo(f->client->curl, CURLINFO_RESPONSE_CODE, &f->status);
    f->result = text_add(&f->text, data, n);
    if (f->result < 0)
        return 0;
    if (f->status != 200)
        return n;
    for (line = f->text.data; f->result == 0 && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (*line)
            f->result = f->stream->on_line(f->stream->userdata, line);
    }
    f->text.size = strlen(line);
    memmove(f->text.data, line, f->text.size + 1);
    return f->result == 0 ? n : 0;
}

static int run_multi(struct client *c, CURLM *multi, struct follow *f, struct error *err)
{
    int running = 1, left;
    CURLMsg *message;

    curl_multi_add_handle(multi, c->curl);
    while (running && f->result == 0) {
        if (curl_multi_perform(multi, &running) != CURLM_OK ||
            (running && curl_multi_poll(multi, NULL, 0, f->stream->tick_msec, NULL) != CURLM_OK))
            return -ENOMEM;
        if (f->result == 0 && running && f->stream->on_tick)
            f->result = f->stream->on_tick(f->stream->userdata);
    }
    if (f->result != 0)
        return f->result;
    message = curl_multi_info_read(multi, &left);
    if (message && message->msg == CURLMSG_DONE && message->data.result != CURLE_OK)
        return transfer_failed(c, message->data.result, err);
    return 0;
}

int client_follow(struct client *c, const char *target, const struct client_stream *stream,
                  unsigned *ret_status, char **ret_text, struct error *err)
{
    struct follow f = {.client = c, .stream = stream, .text.max = LINE_MAX_BYTES};
    CURLM *multi = curl_multi_init();
    struct curl_slist *headers = NULL;
    int r = multi ? prepare(c, "GET", target, &headers, NULL) : -ENOMEM;

    if (r == 0) {
        curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_stream);
        curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &f);
        r = run_multi(c, multi, &f, err);
        curl_multi_remove_handle(multi, c->curl);
        if (!f.status)
            curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &f.status);
    }
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    if (r == 0) {
        *ret_status = (unsigned)f.status;
        *ret_text = TAKE_PTR(f.text.data);
    }
    free(f.text.data);
    return r;
}

char *client_target(const char *prefix, const char *segment, const char *suffix)
{
    char *escaped = curl_easy_escape(NULL, segment, 0), *target = NULL;

    if (escaped && asprintf(&target, "%s%s%s", prefix, escaped, suffix ? suffix : "") < 0)
        target = NULL;
    curl_free(escaped);
    return target;
}

int client_add_param(char **target, const char *name, const char *value)
{
    char *escaped, *longer;
    int n;

    if (!value)
        return 0;
    escaped = curl_easy_escape(NULL, value, 0);
    if (!escaped)
        return -ENOMEM;
    n = asprintf(&longer, "%s%c%s=%s", *target, strchr(*target, '?') ? '&' : '?', name, escaped);
    curl_free(escaped);
    if (n < 0)
        return -ENOMEM;
    free(*target);
    *target = longer;
    return 0;
}
