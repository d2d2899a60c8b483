/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen dock` (see dock.h): options and settings, the order of the work, and how it ended. Wiping comes after everything else, and only
 * from cards that are still there.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "cli/cli.h"
#include "cli/dock-file.h"
#include "cli/dock.h"
#include "cli/print.h"

#define SECRET_MAX 4096

static struct dock *running; /* for the signal handler */

static void on_signal(int number)
{
    atomic_store(&running->signalled, true);
    atomic_store(&running->stop, true);
}

/* ---- settings ------------------------------------------------------------------------------------------------------------ */

static void on_fault(void *userdata, const struct error *fault)
{
    cli_fail(CLI_REFUSED, fault->object, "%s", fault->text);
}

/* Option → key; paths are made absolute, as the file wants them. */
static const struct {
    const char *option, *key;
    bool is_path;
} overrides[] = {
    {"server", "server", false},
    {"token-file", "token_file", true},
    {"certificate", "certificate", true},
    {"key", "key", true},
    {"ca", "ca", true},
    {"key-file", "key_file", true},
    {"state", "state", true},
    {"jobs", "jobs", false},
};

static int set_option(struct dock_config *config, const char *option, const char *key, const char *value,
                      bool is_path)
{
    _cleanup_free_ char *folder = NULL, *whole = NULL;
    struct error err = ERROR_INIT;

    if (is_path && value[0] != '/' && *value) {
        folder = getcwd(NULL, 0);
        if (!folder || asprintf(&whole, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, value) < 0)
            return cli_fail(CLI_BUSY, "", "out of memory");
        value = whole;
    }
    if (dock_config_set(config, key, value, &err) < 0)
        return cli_fail(CLI_USAGE, option, "%s", err.text);
    return CLI_OK;
}

static int load_config(const struct cli *c, struct dock_config **ret)
{
    _cleanup_(dock_config_freep) struct dock_config *config = NULL;
    int r = dock_config_load(cli_option(c, "config"), on_fault, NULL, &config);

    if (r == -ENOMEM)
        return cli_fail(CLI_BUSY, "", "out of memory");
    if (r < 0)
        return CLI_REFUSED;
    for (size_t i = 0; i < ARRAY_SIZE(overrides); i++) {
        const char *value = cli_option(c, overrides[i].option);
        r = value ? set_option(config, overrides[i].option, overrides[i].key, value, overrides[i].is_path)
                  : CLI_OK;
        if (r != CLI_OK)
            return r;
    }
    if (cli_option(c, "wipe"))
        config->wipe = true;
    *ret = TAKE_PTR(config);
    return CLI_OK;
}

/* A secret from a file that others cannot read. */
static int read_secret(const char *path, char **ret)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ char *text = calloc(1, SECRET_MAX + 1);
    struct stat st;
    ssize_t n = fd < 0 || !text ? -errno : fd_read_full(fd, text, SECRET_MAX);

    if (n < 0)
        return cli_fail(n == -ENOENT ? CLI_MISSING : CLI_REFUSED, path, "cannot be read: %s",
                        strerror((int)-n));
    if (fstat(fd, &st) < 0 || (st.st_mode & 077))
        return cli_fail(CLI_REFUSED, path, "can be read by others than its owner; chmod 600 it");
    text[strcspn(text, "\r\n")] = '\0';
    if (!*text || strpbrk(text, " \t"))
        return cli_fail(CLI_REFUSED, path,
                        "holds no single word in its first line; put the token or password there, alone");
    *ret = TAKE_PTR(text);
    return CLI_OK;
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

static int set_site(struct dock *d, char **token, char **password)
{
    const struct dock_config *config = d->config;
    int r = *config->token_file ? read_secret(config->token_file, token) : CLI_OK;

    if (r == CLI_OK && *config->password_file)
        r = read_secret(config->password_file, password);
    d->site = (struct transfer_site){
        .server = config->server,
        .token = *token,
        .certificate = or_null(config->certificate),
        .key = or_null(config->key),
        .password = *password,
        .ca = or_null(config->ca),
        .stop = &d->stop,
    };
    return r;
}

/* ---- cards --------------------------------------------------------------------------------------------------------------- */

struct looking {
    struct dock *dock;
    size_t card;
    struct dock_clock_facts facts;
    int64_t clock_nsec;
};

static int on_found(void *userdata, const struct dock_found *found)
{
    struct looking *l = userdata;
    struct dock *d = l->dock;
    struct dock_card *card = &d->cards[l->card];
    int64_t nsec = dock_nsec(found->mtime), usec;

    if (atomic_load(&d->stop))
        return -ECANCELED;
    if (found->fault)
        return dock_add_file(d, card, found->path, 0, 0, found->odd ? DOCK_LEFT : DOCK_FAILED, found->fault);
    if (found->bytes == 0)
        return dock_add_file(d, card, found->path, 0, nsec, DOCK_LEFT, "it holds no bytes");
    usec = dock_card_usec(card, nsec);
    l->facts.newest_usec = MAX(l->facts.newest_usec, usec);
    if (dock_is_clock_file(d->config, found->path) && usec > l->facts.file_usec) {
        l->facts.file_usec = usec;
        l->clock_nsec = nsec;
    }
    return dock_add_file(d, card, found->path, found->bytes, nsec, DOCK_WAITING, NULL);
}

static void measure_clock(struct dock *d, struct looking *l)
{
    const struct dock_card *card = &d->cards[l->card];
    struct dock_clock *clock = &d->clocks[l->card];
    int64_t before;

    l->facts.plug_usec = d->plug_usec;
    l->facts.now_usec = clock_now_usec() + d->ahead_usec;
    if (dock_state_load_clock(&d->state, card->id, &before) == 0)
        l->facts.before_usec = dock_card_usec(card, before);
    *clock = dock_clock_measure(&l->facts);
    if (l->facts.file_usec != INT64_MIN)
        (void)dock_state_save_clock(&d->state, card->id, l->clock_nsec);
    if (clock->how == DOCK_CLOCK_FILE)
        dock_show_note(d, "clock", card->source,
                       "the camera's clock is off by %+.1f s, by the file it wrote when plugged in",
                       (double)clock->offset_usec / USEC_PER_SEC);
    if (clock->how == DOCK_CLOCK_FUTURE)
        dock_show_note(d, "clock", card->source,
                       "the camera's clock is ahead by %.1f s at least: it has a file of the future",
                       (double)clock->offset_usec / USEC_PER_SEC);
}

/* The paths on a card, in order. */
struct there {
    const char **paths;
    size_t n;
};

static int by_path(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_there(void *userdata, const char *path)
{
    const struct there *t = userdata;

    return bsearch(&path, t->paths, t->n, sizeof *t->paths, by_path) != NULL;
}

/* Forgets what the card does not have any more. What cannot be forgotten now is at the next run. */
static void sweep(struct dock *d, const struct dock_card *card, size_t from)
{
    struct there t = {calloc(MAX(d->n_files - from, 1u), sizeof *t.paths), 0};

    for (size_t i = from; t.paths && i < d->n_files; i++)
        t.paths[t.n++] = d->files[i].path;
    if (t.paths && t.n > 1)
        qsort(t.paths, t.n, sizeof *t.paths, by_path);
    if (t.paths)
        (void)dock_state_sweep(&d->state, card->id, is_there, &t);
    free(t.paths);
}

static int look_through(struct dock *d, size_t n)
{
    struct dock_card *card = &d->cards[n];
    struct looking l = {
        d, n, {.newest_usec = INT64_MIN, .file_usec = INT64_MIN, .before_usec = INT64_MIN}, 0};
    size_t from = d->n_files;
    struct error err = ERROR_INIT;
    int r = dock_scan(card->fd, &d->config->card.ignore, on_found, &l, &err);

    if (r == -ENOMEM)
        return cli_fail(CLI_BUSY, "", "out of memory");
    if (r == -ECANCELED)
        return CLI_BUSY;
    if (r < 0)
        return cli_fail(r == -ENODEV ? CLI_MISSING : CLI_REFUSED, card->source, "%s", err.text);
    for (size_t i = from; i < d->n_files; i++)
        if (d->files[i].outcome != DOCK_WAITING)
            dock_show_file(d, &d->files[i]);
    measure_clock(d, &l);
    sweep(d, card, from);
    return CLI_OK;
}

static int card_fault(int r, const struct error *err)
{
    int code = r == -ENOENT || r == -ENODEV || r == -EMEDIUMTYPE ? CLI_MISSING
               : r == -EPERM || r == -EACCES                     ? CLI_DENIED
               : r == -EBUSY || r == -ENOMEM                     ? CLI_BUSY
                                                                 : CLI_REFUSED;

    return cli_fail(code, err->object, "%s", *err->text ? err->text : strerror(-r));
}

/* Opens a card and looks through it. */
static int take_card(struct dock *d, const char *source, const char *serial)
{
    struct dock_card *card = &d->cards[d->n_cards];
    _cleanup_free_ char *safe = NULL;
    struct error err = ERROR_INIT;
    int r = dock_card_open(source, serial, d->zone, d->config, card, &err), lock;

    if (r < 0)
        return card_fault(r, &err);
    lock = dock_state_lock(&d->state, card->id);
    d->locks[d->n_cards++] = lock;
    if (lock == -EBUSY)
        return cli_fail(CLI_BUSY, source, "another run is at this card");
    if (lock < 0)
        return cli_fail(CLI_BUSY, d->state.path, "cannot be used: %s", strerror(-lock));
    if (d->json || !print_is_terminal())
        dock_show_note(d, "card", source, "%s%s", *card->device ? "camera " : "", card->device);
    return look_through(d, d->n_cards - 1);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------- */

static void dock_done(struct dock *d)
{
    for (size_t i = 0; i < d->n_files; i++) {
        free(d->files[i].path);
        free(d->files[i].why);
    }
    free(d->files);
    for (size_t i = 0; i < d->n_cards; i++) {
        dock_card_done(&d->cards[i]);
        fd_closep(&d->locks[i]);
    }
    free(d->cards);
    free(d->clocks);
    free(d->locks);
    free(d->zone);
    verifier_key_free(d->key);
    dock_state_done(&d->state);
    dock_config_free(d->config);
    pthread_mutex_destroy(&d->lock);
}

/* The exit code that the files stand for. */
static int outcome(const struct dock *d)
{
    int code = atomic_load(&((struct dock *)d)->giving_up);

    if (code != CLI_OK)
        return cli_fail(code, d->giving_up_why.object, "%s", d->giving_up_why.text);
    for (size_t i = 0; i < d->n_files; i++)
        if (d->files[i].outcome == DOCK_WAITING)
            return dock_is_unplugged(d->files[i].card->fd, -ENOENT)
                       ? cli_fail(CLI_MISSING, d->files[i].card->source,
                                  "it was unplugged before all was sent; plug it in again")
                       : CLI_BUSY;
    for (size_t i = 0; i < d->n_files; i++)
        if (d->files[i].outcome == DOCK_FAILED)
            return CLI_NO;
    return CLI_OK;
}

/* All cards that can be used; the others are said and do not hold these up. */
static int take_cards(struct dock *d, int argc, char **argv, const char *serial)
{
    int worst = CLI_OK;

    for (int i = 0; i < argc && !atomic_load(&d->stop); i++) {
        int r = take_card(d, argv[i], serial);
        worst = worst == CLI_OK ? r : worst;
    }
    return worst;
}

static int run(struct dock *d, int argc, char **argv, const char *serial)
{
    int r = dock_site_open(d), wiped = CLI_OK, cards;

    if (r != CLI_OK)
        return r;
    cards = take_cards(d, argc, argv, serial);
    if (d->n_cards == 0)
        return cards;
    if (dock_work(d) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    if (dock_state_sync(&d->state) < 0)
        dock_show_note(d, "unsynced", d->state.path,
                       "the receipts may not outlive a power cut; they are asked for again then");
    if (d->config->wipe && !atomic_load(&d->stop))
        wiped = dock_wipe(d);
    dock_show_summary(d);
    r = outcome(d);
    return r != CLI_OK ? r : wiped != CLI_OK ? wiped : cards;
}

static void catch_signals(struct dock *d)
{
    struct sigaction action = {.sa_handler = on_signal};

    running = d;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int cli_dock(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *token = NULL, *password = NULL;
    _cleanup_(dock_done) struct dock d = {
        .state = DOCK_STATE_INIT,
        .once = cli_option(c, "once"),
        .json = c->json,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    struct error err = ERROR_INIT;
    int r = load_config(c, &d.config);

    if (r != CLI_OK)
        return r;
    if (cli_option(c, "show-config"))
        return dock_config_dump(d.config, stdout) < 0 ? CLI_REFUSED : CLI_OK;
    if (argc == 0)
        return cli_fail(CLI_USAGE, "", "which card? Give the folder where it is mounted, or its device");
    r = set_site(&d, &token, &password);
    if (r != CLI_OK)
        return r;
    r = dock_state_open(d.config->state, &d.state, &err);
    if (r < 0)
        return cli_fail(CLI_REFUSED, err.object, "%s", err.text);
    d.cards = calloc((size_t)argc, sizeof *d.cards);
    d.clocks = calloc((size_t)argc, sizeof *d.clocks);
    d.locks = calloc((size_t)argc, sizeof *d.locks);
    if (!d.cards || !d.clocks || !d.locks)
        return cli_fail(CLI_BUSY, "", "out of memory");
    catch_signals(&d);
    return run(&d, argc, argv, cli_option(c, "serial"));
}
