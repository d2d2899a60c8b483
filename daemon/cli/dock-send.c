/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One file from the card to its receipt. First the whole file is digested, every time: cameras use names again, for files that were
 * allotted beforehand at one size, with clocks that stand still, so that nothing short of all bytes tells that a file is the same. The
 * digest asks the site whether it has these bytes, every time too: a site that was set back to an older backup has lost what this station
 * has receipts for. It ties what is sent to what was read, and tells at a resumption whether to go on. Then tus 1.0.0: creation, PATCH with a SHA-256
 * of each piece, HEAD wherever it is not certain how far the server is. Only a receipt that verifies ends it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/dock-file.h"
#include "cli/dock-receipt.h"
#include "cli/dock.h"

#define WITH_CREATION (1u << 20) /* so small a file is sent along with its creation */
#define WAIT_MAX      60         /* seconds, where the server does not say */
#define ANEW_MAX      3
#define DAMAGED_MAX   5
#define TUS           "Tus-Resumable: 1.0.0"

/* One file under way. */
struct sending {
    struct dock_job *job;
    struct dock_file *file;
    struct dock_entry entry; /* as it is in the state folder */
    int fd;
    int64_t offset; /* at the server; -1 = ask */
    unsigned waits, anew, damaged;
    bool asked; /* the site has no such bytes */
    bool sent;  /* by us: a receipt that is there now is the answer to it */
};

/* How a step ends the file's turn; 0 goes on. */
enum { ENDED = 1 };

static int ended(struct sending *s, enum dock_outcome outcome, const char *why)
{
    free(s->file->why);
    s->file->why = why ? strdup(why) : NULL;
    s->file->outcome = outcome;
    return ENDED;
}

static int ended_by(struct sending *s, enum dock_outcome outcome, const struct error *err)
{
    char text[1100];

    return ended(s, outcome, error_format(err, text, sizeof text));
}

/* The card does not give the bytes: it was pulled out, or this file is bad. */
static int ended_by_card(struct sending *s, int code)
{
    if (code == -ENOMEM)
        return ended(s, DOCK_WAITING, "out of memory");
    if (code == -ECANCELED)
        return ended(s, DOCK_WAITING, "stopped");
    if (dock_is_unplugged(s->file->card->fd, code))
        return ended(s, DOCK_WAITING, "the card was unplugged; it goes on when it is back");
    if (code == -ENOENT)
        return ended(s, DOCK_FAILED, "it is not on the card any more");
    if (code == -ESTALE)
        return ended(s, DOCK_FAILED, "it changes while it is read; it is tried again at the next run");
    return ended(s, DOCK_FAILED, strerror(-code));
}

static int ended_by_state(struct sending *s, int code)
{
    struct error err = ERROR_INIT;

    error_errno(&err, code, s->job->dock->state.path, "the station's folder cannot be written");
    dock_give_up(s->job->dock, CLI_BUSY, &err);
    return ended_by(s, DOCK_WAITING, &err);
}

static void show(struct sending *s, enum dock_phase phase, uint64_t done)
{
    struct dock *d = s->job->dock;

    pthread_mutex_lock(&d->lock);
    s->job->slot->phase = phase;
    s->job->slot->done = done;
    pthread_mutex_unlock(&d->lock);
}

/* ---- what answers mean ------------------------------------------------------------------------------------------------------ */

static enum dock_next judge_upload(enum dock_request request, unsigned status)
{
    switch (status) {
    case 404:
    case 405:
    case 410:
        return request == DOCK_CREATE ? NEXT_STOP : NEXT_ANEW;
    case 403: /* another station's upload, or we are not let in any more: creating one anew tells */
        return request == DOCK_CREATE ? NEXT_STOP : NEXT_ANEW;
    case 409:
        return request == DOCK_PATCH || request == DOCK_FETCH ? NEXT_HEAD : NEXT_FAIL;
    case 460:
        return NEXT_AGAIN;
    default:
        return request == DOCK_HEAD ? NEXT_ANEW : NEXT_FAIL;
    }
}

enum dock_next dock_judge(enum dock_request request, unsigned status)
{
    if (status >= 200 && status < 300)
        return NEXT_OK;
    if (status == 401 || status == 501)
        return NEXT_STOP;
    if (status == 408 || status == 423 || status == 425 || status == 429 || status >= 500)
        return NEXT_WAIT;
    if (request != DOCK_RECEIPT)
        return judge_upload(request, status);
    return status == 404 || status == 403 ? NEXT_NONE : NEXT_FAIL;
}

int64_t dock_wait_seconds(unsigned n, int64_t asked)
{
    if (asked >= 0)
        return MAX(asked, 1);
    return n >= 6 ? WAIT_MAX : MIN(WAIT_MAX, INT64_C(1) << n);
}

void dock_give_up(struct dock *d, int exit_code, const struct error *err)
{
    int nothing = CLI_OK;

    pthread_mutex_lock(&d->lock);
    if (atomic_compare_exchange_strong(&d->giving_up, &nothing, exit_code))
        d->giving_up_why = *err;
    pthread_mutex_unlock(&d->lock);
    atomic_store(&d->stop, true);
}

bool dock_sleep(struct dock *d, int64_t seconds)
{
    const struct timespec tick = {0, 100 * 1000 * 1000};

    for (int64_t i = 0; i < seconds * 10 && !atomic_load(&d->stop); i++)
        nanosleep(&tick, NULL);
    return !atomic_load(&d->stop);
}

/* Waits where the run is patient; else nothing more is sent. */
static int wait_for_server(struct sending *s, int exit_code, int64_t asked, const struct error *err)
{
    struct dock *d = s->job->dock;

    s->offset = -1;
    if (d->once) {
        dock_give_up(d, exit_code, err);
        return ended_by(s, DOCK_WAITING, err);
    }
    pthread_mutex_lock(&d->lock);
    s->job->slot->phase = PHASE_PAUSING;
    snprintf(s->job->slot->why, sizeof s->job->slot->why, "%.190s", err->text);
    utf8_repair(s->job->slot->why, sizeof s->job->slot->why);
    pthread_mutex_unlock(&d->lock);
    if (s->waits == 0)
        dock_show_note(d, "waiting", err->object, "%s", err->text);
    return dock_sleep(d, dock_wait_seconds(s->waits++, asked)) ? 0 : ended_by(s, DOCK_WAITING, err);
}

/* The server's own words, as error. */
static void said(const struct transfer_answer *a, const char *server, struct error *err)
{
    _cleanup_json_ json_t *o = NULL;
    const json_t *e;
    const char *what, *right;

    if (json_parse(a->text, a->size, "answer", &o, NULL) < 0)
        o = NULL;
    e = json_get_object(o, "error");
    what = json_get_string(e, "what");
    right = json_get_string(e, "right");
    if (what)
        error_set(err, (int)a->status, server, "%s%s%s (status %u)", what, right && *right ? "; " : "",
                  right ? right : "", a->status);
    else
        error_set(err, (int)a->status, server, "it answers with status %u", a->status);
}

static int exit_code_of(unsigned status)
{
    return status == 401 || status == 403                    ? CLI_DENIED
           : status == 404 || status == 405 || status == 501 ? CLI_REFUSED
                                                             : CLI_BUSY;
}

static int retry_anew(struct sending *s)
{
    free(TAKE_PTR(s->entry.url));
    s->offset = -1;
    s->asked = false; /* it may have been sealed, and only its answer lost */
    if (++s->anew <= ANEW_MAX)
        return 0;
    return ended(s, DOCK_FAILED, "the server forgets its upload again and again");
}

/* What follows from an answer that is not as hoped for. Return: 0 = go on, ENDED. */
static int go_on(struct sending *s, enum dock_next next, const struct transfer_answer *a)
{
    struct dock *d = s->job->dock;
    struct error err = ERROR_INIT;

    said(a, d->site.server, &err);
    switch (next) {
    case NEXT_ANEW:
        return retry_anew(s);
    case NEXT_HEAD:
        s->offset = -1;
        return ++s->damaged > DAMAGED_MAX ? ended_by(s, DOCK_FAILED, &err) : 0;
    case NEXT_AGAIN:
        s->offset = -1;
        return ++s->damaged > DAMAGED_MAX ? ended(s, DOCK_FAILED, "its bytes arrive damaged again and again")
                                          : 0;
    case NEXT_WAIT:
        return wait_for_server(s, exit_code_of(a->status), a->retry_seconds, &err);
    case NEXT_STOP:
        dock_give_up(d, exit_code_of(a->status), &err);
        return ended_by(s, DOCK_WAITING, &err);
    default:
        return ended_by(s, DOCK_FAILED, &err);
    }
}

/* No answer at all. */
static int no_answer(struct sending *s, int r, const struct error *err)
{
    switch (r) {
    case TRANSFER_E_UNREACHABLE:
    case TRANSFER_E_BROKEN:
        return wait_for_server(s, CLI_UNREACHABLE, -1, err);
    case TRANSFER_E_STOPPED:
        return ended(s, DOCK_WAITING, "stopped");
    case TRANSFER_E_TRUST:
        dock_give_up(s->job->dock, CLI_DENIED, err);
        return ended_by(s, DOCK_WAITING, err);
    default:
        return ended(s, DOCK_WAITING, *err->text ? err->text : strerror(-r));
    }
}

/* ---- the receipt --------------------------------------------------------------------------------------------------------- */

/* Takes a receipt's text: it must prove these bytes before anything is believed. */
static int take_receipt(struct sending *s, const char *text, size_t size, enum dock_outcome outcome)
{
    struct dock *d = s->job->dock;
    struct dock_file *f = s->file;
    struct error err = ERROR_INIT;
    int r = dock_receipt_check(text, size, d->key, &s->entry.sha256, f->bytes, f->recording, &err);

    if (r == -ENOMEM)
        return ended(s, DOCK_WAITING, "out of memory");
    if (r < 0) {
        (void)dock_state_forget(&d->state, f->card->id, f->path);
        return ended_by(s, DOCK_FAILED, &err);
    }
    r = dock_state_save_receipt(&d->state, &s->entry.sha256, text);
    if (r == 0) {
        r = dock_state_forget(&d->state, f->card->id, f->path); /* nothing goes on any more */
    }
    if (r < 0)
        return ended_by_state(s, r);
    f->sha256 = s->entry.sha256;
    return ended(s, outcome, NULL);
}

/* The answer brings a receipt where the bytes are sealed. Return: 0 = it does not. */
static int receipt_in(struct sending *s, const struct transfer_answer *a)
{
    _cleanup_json_ json_t *o = NULL;
    const char *receipt;

    if (json_parse(a->text, a->size, "answer", &o, NULL) < 0 || !(receipt = json_get_string(o, "receipt")))
        return 0;
    return take_receipt(s, receipt, strlen(receipt),
                        !s->sent || json_get_bool(o, "again", false) ? DOCK_KNOWN : DOCK_SEALED);
}

/* Asks whether the site has these bytes already. */
static int ask_receipt(struct sending *s)
{
    char hex[DIGEST_HEX_SIZE], target[DIGEST_HEX_SIZE + 32];
    struct transfer_request q = {.method = "GET", .target = target};
    _cleanup_(transfer_answer_done) struct transfer_answer a = {0};
    struct error err = ERROR_INIT;
    enum dock_next next;
    int r;

    digest_to_hex(&s->entry.sha256, hex);
    snprintf(target, sizeof target, "/v1/receipts/%s", hex);
    show(s, PHASE_ASKING, 0);
    r = transfer_do(s->job->transfer, &q, &a, &err);
    if (r != 0)
        return no_answer(s, r, &err);
    next = dock_judge(DOCK_RECEIPT, a.status);
    if (next == NEXT_NONE) {
        s->asked = true;
        return 0;
    }
    if (next != NEXT_OK)
        return go_on(s, next, &a);
    r = receipt_in(s, &a);
    s->asked = true;
    return r; /* no receipt in it: it is sent, and the end tells */
}

/* ---- tus ----------------------------------------------------------------------------------------------------------------- */

static int add_pair(FILE *out, const char *key, const char *value)
{
    _cleanup_free_ char *base64 = encode_base64(value, strlen(value));

    if (!base64)
        return -ENOMEM;
    fprintf(out, "%s%s%s%s", ftell(out) > 0 ? "," : "", key, *base64 ? " " : "", base64);
    return 0;
}

char *dock_metadata(const struct dock_file *f, const struct dock_clock *clock)
{
    const char *slash = strrchr(f->path, '/');
    char number[32], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int r = out ? add_pair(out, "filename", slash ? slash + 1 : f->path) : -ENOMEM;

    r = r < 0 ? r : add_pair(out, "path", f->path);
    snprintf(number, sizeof number, "%" PRId64, dock_card_usec(f->card, f->mtime_nsec));
    r = r < 0 ? r : add_pair(out, "mtime", number);
    if (*f->card->device)
        r = r < 0 ? r : add_pair(out, "device", f->card->device);
    if (clock->how != DOCK_CLOCK_UNKNOWN) {
        snprintf(number, sizeof number, "%" PRId64, clock->offset_usec);
        r = r < 0 ? r : add_pair(out, "clock_offset", number);
        r = r < 0 ? r : add_pair(out, "clock_method", dock_clock_name(clock->how));
    }
    if (!out || fclose(out) != 0 || r < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void on_sent(void *userdata, size_t bytes)
{
    struct sending *s = userdata;

    show(s, PHASE_SENDING, (uint64_t)s->offset + bytes);
}

/* Reads the next piece from the card before a byte of it is sent: what is on the wire never waits for a card that was pulled out. */
static int read_chunk(struct sending *s, size_t *ret_size, char ret_checksum[80])
{
    struct digest d;
    uint64_t left = s->file->bytes - (uint64_t)s->offset;
    size_t size = (size_t)MIN(left, s->job->dock->config->chunk_bytes);
    ssize_t n = fd_pread_full(s->fd, s->job->chunk, size, (off_t)s->offset);
    _cleanup_free_ char *base64 = NULL;

    if (n < 0 || (size_t)n != size)
        return ended_by_card(s, n < 0 ? (int)n : -ESTALE);
    digest_of(s->job->chunk, size, &d);
    base64 = encode_base64(d.bytes, sizeof d.bytes);
    if (!base64)
        return ended(s, DOCK_WAITING, "out of memory");
    snprintf(ret_checksum, 80, "Upload-Checksum: sha256 %s", base64);
    *ret_size = size;
    return 0;
}

static void account(struct sending *s, size_t bytes)
{
    struct dock *d = s->job->dock;

    pthread_mutex_lock(&d->lock);
    d->sent_bytes += bytes;
    pthread_mutex_unlock(&d->lock);
}

/* The headers of a creation; texts are the caller's to free. */
struct creation {
    char *length, *metadata, *line;
};
static void creation_done(struct creation *c)
{
    free(c->length);
    free(c->metadata);
    free(c->line);
}

static int creation_make(const struct sending *s, struct creation *c)
{
    const struct dock_file *f = s->file;

    c->metadata = dock_metadata(f, &s->job->dock->clocks[f->card - s->job->dock->cards]);
    if (!c->metadata || asprintf(&c->length, "Upload-Length: %" PRIu64, f->bytes) < 0)
        return -ENOMEM;
    return asprintf(&c->line, "Upload-Metadata: %s", c->metadata) < 0 ? -ENOMEM : 0;
}

static int created(struct sending *s, const struct transfer_answer *a, size_t size)
{
    int r;

    if (!a->location)
        return ended(s, DOCK_FAILED, "the server made an upload without saying where");
    free(s->entry.url);
    free(s->entry.server);
    s->entry.url = strdup(a->location);
    s->entry.server = strdup(s->job->dock->site.server);
    if (!s->entry.url || !s->entry.server)
        return ended(s, DOCK_WAITING, "out of memory");
    account(s, size);
    s->sent = true;
    r = receipt_in(s, a);
    if (r != 0)
        return r;
    s->offset = size ? a->offset : 0;
    if (s->offset == (int64_t)s->file->bytes)
        return 0; /* whole: by its digest the site finds it again */
    r = dock_state_write(&s->job->dock->state, s->file->card->id, s->file->path, &s->entry);
    return r < 0 ? ended_by_state(s, r) : 0;
}

static int create(struct sending *s)
{
    _cleanup_(creation_done) struct creation c = {0};
    _cleanup_(transfer_answer_done) struct transfer_answer a = {0};
    struct error err = ERROR_INIT;
    char checksum[80];
    size_t size = 0;
    bool whole = s->file->bytes <= MIN(WITH_CREATION, s->job->dock->config->chunk_bytes);
    int r;

    s->offset = 0;
    if (creation_make(s, &c) < 0)
        return ended(s, DOCK_WAITING, "out of memory");
    r = whole ? read_chunk(s, &size, checksum) : 0;
    if (r != 0)
        return r;
    {
        struct transfer_request q = {
            .method = "POST",
            .target = "/tus",
            .headers = {TUS, c.length, c.line, whole ? "Content-Type: application/offset+octet-stream" : NULL,
                        checksum},
            .body = s->job->chunk,
            .size = size,
            .on_sent = on_sent,
            .userdata = s,
        };
        show(s, PHASE_SENDING, 0);
        r = transfer_do(s->job->transfer, &q, &a, &err);
    }
    if (r != 0)
        return no_answer(s, r, &err);
    if (dock_judge(DOCK_CREATE, a.status) == NEXT_OK)
        return created(s, &a, size);
    /* its bytes are there, and it could not be sealed now */
    r = a.status >= 500 && a.location && whole ? created(s, &a, size) : 0;
    return r ? r : go_on(s, dock_judge(DOCK_CREATE, a.status), &a);
}

static int head(struct sending *s)
{
    struct transfer_request q = {.method = "HEAD", .target = s->entry.url, .headers = {TUS}};
    _cleanup_(transfer_answer_done) struct transfer_answer a = {0};
    struct error err = ERROR_INIT;
    int r;

    show(s, PHASE_ASKING, 0);
    r = transfer_do(s->job->transfer, &q, &a, &err);
    if (r != 0)
        return no_answer(s, r, &err);
    if (dock_judge(DOCK_HEAD, a.status) != NEXT_OK)
        return go_on(s, dock_judge(DOCK_HEAD, a.status), &a);
    if (a.offset < 0 || (uint64_t)a.offset > s->file->bytes)
        return retry_anew(s);
    s->offset = a.offset;
    return 0;
}

static int patch(struct sending *s)
{
    _cleanup_(transfer_answer_done) struct transfer_answer a = {0};
    struct error err = ERROR_INIT;
    char checksum[80], offset[64];
    size_t size;
    int r = read_chunk(s, &size, checksum);

    if (r != 0)
        return r;
    snprintf(offset, sizeof offset, "Upload-Offset: %" PRId64, s->offset);
    {
        struct transfer_request q = {
            .method = "PATCH",
            .target = s->entry.url,
            .headers = {TUS, offset, checksum, "Content-Type: application/offset+octet-stream"},
            .body = s->job->chunk,
            .size = size,
            .on_sent = on_sent,
            .userdata = s,
        };
        r = transfer_do(s->job->transfer, &q, &a, &err);
    }
    if (r != 0)
        return no_answer(s, r, &err);
    if (dock_judge(DOCK_PATCH, a.status) != NEXT_OK)
        return go_on(s, dock_judge(DOCK_PATCH, a.status), &a);
    s->waits = s->damaged = 0;
    account(s, size);
    s->offset = a.offset >= 0 && (uint64_t)a.offset <= s->file->bytes ? a.offset : -1;
    return receipt_in(s, &a);
}

/* All bytes are there: its receipt. Where it could not be sealed when the last byte came, asking does it. */
static int fetch_receipt(struct sending *s)
{
    struct transfer_request q = {.method = "GET", .target = s->entry.url, .headers = {TUS}};
    _cleanup_(transfer_answer_done) struct transfer_answer a = {0};
    struct error err = ERROR_INIT;
    int r;

    show(s, PHASE_SEALING, s->file->bytes);
    r = transfer_do(s->job->transfer, &q, &a, &err);
    if (r != 0)
        return no_answer(s, r, &err);
    if (dock_judge(DOCK_FETCH, a.status) != NEXT_OK)
        return go_on(s, dock_judge(DOCK_FETCH, a.status), &a);
    r = receipt_in(s, &a);
    return r ? r : ended(s, DOCK_FAILED, "the server gives no receipt for it");
}

/* To the end, whatever comes in between. */
static void upload(struct sending *s)
{
    int r = 0;

    s->sent = s->entry.url != NULL;
    while (r == 0) {
        if (atomic_load(&s->job->dock->stop))
            r = ended(s, DOCK_WAITING, "stopped");
        else if (!s->entry.url && !s->asked)
            r = ask_receipt(s);
        else if (!s->entry.url)
            r = create(s);
        else if (s->offset < 0)
            r = head(s);
        else if ((uint64_t)s->offset < s->file->bytes)
            r = patch(s);
        else
            r = fetch_receipt(s);
    }
}

/* ---- one file ------------------------------------------------------------------------------------------------------------ */

static int on_digest(void *userdata, uint64_t bytes)
{
    struct sending *s = userdata;

    show(s, PHASE_READING, bytes);
    return atomic_load(&s->job->dock->stop) ? -ECANCELED : 0;
}

/* Looks at the file as it is now. */
static int look(struct sending *s)
{
    struct dock_file *f = s->file;
    struct stat st;

    s->fd = dock_open_file(f->card->fd, f->path, &st);
    if (s->fd < 0)
        return ended_by_card(s, s->fd);
    pthread_mutex_lock(&s->job->dock->lock);
    f->bytes = (uint64_t)st.st_size; /* it may have grown since the card was looked through */
    pthread_mutex_unlock(&s->job->dock->lock);
    f->mtime_nsec = dock_nsec(st.st_mtim);
    if (f->bytes == 0)
        return ended(s, DOCK_LEFT, "it holds no bytes");
    s->entry.bytes = f->bytes;
    return 0;
}

/* Takes up what an earlier run has left: an upload of these very bytes goes on. */
static int remember(struct sending *s)
{
    struct dock *d = s->job->dock;
    _cleanup_(dock_entry_done) struct dock_entry old = {0};
    int r = dock_state_read(&d->state, s->file->card->id, s->file->path, &old);
    bool same = r == 0 && old.bytes == s->entry.bytes;

    if (r < 0 && r != -ENOENT)
        return ended_by_state(s, r);
    r = dock_digest(s->fd, s->file->bytes, false, on_digest, s, &s->entry.sha256);
    if (r < 0)
        return ended_by_card(s, r);
    if (same && old.url && old.server && strcmp(old.server, d->site.server) == 0 &&
        digest_equal(&old.sha256, &s->entry.sha256)) {
        s->entry.url = TAKE_PTR(old.url);
        s->entry.server = TAKE_PTR(old.server);
    }
    return 0;
}

void dock_send(struct dock_job *job, struct dock_file *f)
{
    struct sending s = {.job = job, .file = f, .fd = -1, .offset = -1};

    pthread_mutex_lock(&job->dock->lock);
    *job->slot = (struct dock_slot){.phase = PHASE_READING, .file = f};
    pthread_mutex_unlock(&job->dock->lock);
    if (look(&s) == 0 && remember(&s) == 0)
        upload(&s);
    fd_closep(&s.fd);
    dock_entry_done(&s.entry);
    pthread_mutex_lock(&job->dock->lock);
    *job->slot = (struct dock_slot){.phase = PHASE_IDLE};
    pthread_mutex_unlock(&job->dock->lock);
}
