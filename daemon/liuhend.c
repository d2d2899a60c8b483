/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * liuhend: reads the settings, opens store, ledger and catalogue, starts intake and the API, and then only waits for signals
 * and the watchdog on an sd-event loop. Nothing that can block runs on the loop: a reload runs in a thread of its own.
 *
 * Exit status: 0 stopped as asked; 1 could not start or a broken invariant; 64 wrong use; 78 wrong configuration (sysexits).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "api/api.h"
#include "api/openapi.h"
#include "base/clock.h"
#include "base/feed.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/settings-table.h"
#include "base/settings.h"
#include "cases/device-watch.h"
#include "cases/place.h"
#include "cases/policy-keeper.h"
#include "catalogue/readers.h"
#include "catalogue/writer.h"
#include "derive/derive.h"
#include "disposal/disposal.h"
#include "doors/door.h"
#include "intake/intake.h"
#include "ledger/ledger.h"
#include "media/hardware.h"
#include "media/run.h"
#include "store/store.h"

#define EXIT_USE    64
#define EXIT_CONFIG 78
#define SOCKETS_MAX 16 /* handed over by systemd */

/* One set of settings with the rules compiled from them. Every generation is kept until the end, so that any thread may go on
 * using the one it has. */
struct generation {
    struct generation *older;
    struct settings *settings;
    struct placer *placer;
};

struct daemon {
    const char *config_file;
    char **overrides;
    size_t n_overrides;
    struct generation *generations; /* newest first */
    _Atomic(const struct settings *) settings;

    struct store *store;
    struct signing_key *key;
    struct ledger *ledger;
    struct writer *writer;
    struct policy_keeper *policy;
    struct feed *feed;
    struct intake *intake;
    struct derive *derive;
    struct disposal *disposal;
    struct readers *readers;
    struct doors *doors;
    struct device_watch *devices;
    struct api *api;
    int64_t started_usec;

    sd_event *loop;
    pthread_t reloader;
    bool reloading_started;
    atomic_bool reloading, reload_again, refused; /* refused: the file on disk is not what is in force */
};

/* ---- settings ----------------------------------------------------------------------------------------------------------- */

static void print_fault(void *userdata, const struct error *fault)
{
    unsigned *n = userdata;
    char text[1100];

    fprintf(stderr, "%s%s\n", log_is_journal() ? SD_ERR : "", error_format(fault, text, sizeof text));
    (*n)++;
}

static int load_settings(struct daemon *d, config_on_fault on_fault, void *userdata, struct generation **ret)
{
    struct generation *g = calloc(1, sizeof *g);
    struct error err = ERROR_INIT;
    int r = g ? settings_load(d->config_file, on_fault, userdata, &g->settings) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < d->n_overrides; i++) {
        r = settings_override(g->settings, d->overrides[i], &err);
        if (r < 0)
            on_fault(userdata, &err);
    }
    if (r == 0)
        r = placer_new(g->settings, on_fault, userdata, &g->placer);
    if (r < 0) {
        if (g)
            settings_free(g->settings);
        free(g);
        return r;
    }
    *ret = g;
    return 0;
}

static void install_generation(struct daemon *d, struct generation *g)
{
    g->older = d->generations;
    d->generations = g;
    atomic_store(&d->settings, g->settings);
    log_set_level(g->settings->log.level);
}

static const struct settings *current_settings(void *userdata)
{
    return atomic_load(&((struct daemon *)userdata)->settings);
}

/* ---- reload ------------------------------------------------------------------------------------------------------------- */

struct first_fault {
    unsigned n;
    char text[900];
};

static void keep_first(void *userdata, const struct error *fault)
{
    struct first_fault *f = userdata;

    if (f->n++ == 0)
        error_format(fault, f->text, sizeof f->text);
}

static void say_restart(void *userdata, const char *key)
{
    log_event(EVENT_CONFIG_RESTART, "KEY", key, NULL);
}

static void say_status(struct daemon *d)
{
    notify_status("STATUS=Sealing what arrives in %zu drop folder%s%s", current_settings(d)->n_folders,
                  current_settings(d)->n_folders == 1 ? "" : "s",
                  atomic_load(&d->refused) ? "; the changed configuration is refused, the old one is in force"
                                           : "");
}

static void reload(struct daemon *d)
{
    struct first_fault fault = {0};
    struct generation *g;
    struct error err = ERROR_INIT;
    char reason[1000];

    atomic_store(&d->refused, load_settings(d, keep_first, &fault, &g) < 0);
    if (atomic_load(&d->refused)) {
        snprintf(reason, sizeof reason, "%s%s", fault.text[0] ? fault.text : "out of memory",
                 fault.n > 1 ? " (and more; see liuhend --check-config)" : "");
        log_event(EVENT_CONFIG_REFUSED, "FILE", d->config_file, "REASON", reason, NULL);
    } else {
        settings_diff_restart(current_settings(d), g->settings, say_restart, NULL);
        install_generation(d, g);
        intake_reload(d->intake, g->settings, g->placer);
        derive_reload(d->derive, g->settings);
        log_event(EVENT_CONFIG_RELOADED, "FILE", g->settings->file, NULL);
        if (policy_keeper_reload(d->policy, g->settings, &err) != 0)
            log_event(EVENT_POLICY_REFUSED, "POLICY", g->settings->policy, "REASON", err.text, NULL);
    }
}

/* Once more when it was asked for meanwhile: the file may have changed since it was read. */
static void *reload_thread(void *userdata)
{
    struct daemon *d = userdata;

    do {
        do
            reload(d);
        while (atomic_exchange(&d->reload_again, false));
        notify_state("READY=1");
        say_status(d);
        atomic_store(&d->reloading, false);
    } while (atomic_load(&d->reload_again) && !atomic_exchange(&d->reloading, true));
    return NULL;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct daemon *d = userdata;
    char text[64];

    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_usec());
    notify_state(text);
    atomic_store(&d->reload_again, true);
    if (atomic_exchange(&d->reloading, true))
        return 0; /* one at a time; the running one looks again when it is done */
    atomic_store(&d->reload_again, false);
    if (d->reloading_started)
        pthread_join(d->reloader, NULL);
    d->reloading_started = pthread_create(&d->reloader, NULL, reload_thread, d) == 0;
    if (!d->reloading_started)
        atomic_store(&d->reloading, false);
    return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    log_event(EVENT_DAEMON_STOPPING, "REASON", strsignal((int)info->ssi_signo), NULL);
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* ---- status ------------------------------------------------------------------------------------------------------------- */

static json_t *daemon_status(void *userdata)
{
    struct daemon *d = userdata;
    const struct settings *s = current_settings(d);
    json_t *o = json_object();
    char trouble[400];
    int r = o ? 0 : -ENOMEM;

    r = r < 0 ? r : json_set_string(o, "version", LIUHEN_VERSION);
    r = r < 0 ? r : json_set_string(o, "site", s->site.name);
    r = r < 0 ? r : json_set_string(o, "timezone", zone_name(s->site.zone));
    r = r < 0 ? r : json_set_string(o, "archive", s->archive.path);
    r = r < 0
            ? r
            : json_set_string(o, "catalogue",
                              strchr(s->catalogue.dsn, '=') || strstr(s->catalogue.dsn, "://") ? "PostgreSQL"
                                                                                               : "SQLite");
    r = r < 0 ? r : json_set_integer(o, "started", d->started_usec);
    r = r < 0 ? r : json_set_integer(o, "leaves", (int64_t)ledger_size(d->ledger));
    r = r < 0 ? r : json_set_string(o, "policy", policy_name(policy_keeper_current(d->policy)));
    r = r < 0 ? r : json_set_string(o, "policy_version", policy_version(policy_keeper_current(d->policy)));
    policy_keeper_trouble(d->policy, trouble, sizeof trouble);
    r = r < 0 ? r : json_set_string(o, "policy_trouble", trouble[0] ? trouble : NULL);
    disposal_trouble(d->disposal, trouble, sizeof trouble);
    r = r < 0 ? r : json_set_string(o, "disposal_trouble", trouble[0] ? trouble : NULL);
    writer_trouble(d->writer, trouble, sizeof trouble);
    r = r < 0 ? r : json_set_string(o, "catalogue_trouble", trouble[0] ? trouble : NULL);
    if (clock_behind_usec() > USEC_PER_DAY)
        r = r < 0 ? r
                  : json_set_string(o, "clock_trouble",
                                    "the machine's clock is behind the newest act in the ledger");
    r = r < 0 ? r : json_set_take(o, "intake", intake_status(d->intake));
    r = r < 0 ? r : json_set_take(o, "doors", doors_status(d->doors));
    r = r < 0 ? r : json_set_take(o, "derive", derive_status(d->derive));
    if (r < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

/* ---- start and stop ----------------------------------------------------------------------------------------------------- */

static int record_start(struct txn *t, void *userdata, struct error *err)
{
    struct daemon *d = userdata;
    json_t *facts = json_object();

    if (!facts || json_set_string(facts, "key", verifier_key_text(signing_key_verifier(d->key))) < 0 ||
        json_set_string(facts, "version", LIUHEN_VERSION) < 0) {
        json_decref(facts);
        return -ENOMEM;
    }
    return txn_act(t, "ledger.started", "system", current_settings(d)->site.name, 0, facts, NULL, err);
}

/* A ledger that is begun goes on with its own key or not at all: no new key is made then. */
static int open_ledger(struct daemon *d, const struct settings *s, struct error *err)
{
    _cleanup_free_ char *key_folder = NULL, *key_path = NULL, *path = NULL, *public = NULL;
    bool begun;
    int r;

    if (asprintf(&key_folder, "%s/keys", s->archive.path) < 0 ||
        asprintf(&key_path, "%s/ledger.key", key_folder) < 0 ||
        asprintf(&path, "%s/ledger", s->archive.path) < 0 || asprintf(&public, "%s/ledger.pub", path) < 0)
        return -ENOMEM;
    begun = access(public, F_OK) == 0;
    if (mkdir(key_folder, 0700) < 0 && errno != EEXIST)
        return error_errno(err, -errno, key_folder, "cannot be made");
    r = signing_key_load(key_path, s->site.name, !begun, &d->key, err);
    if (r == -ENOENT)
        return error_set(err, r, key_path,
                         "the ledger is begun but its signing key is gone; put the key back from a copy");
    return r < 0 ? r : ledger_open(path, d->key, signing_key_verifier(d->key), &d->ledger, err);
}

static int check_hardware(const struct settings *s, struct error *err)
{
    return hardware_check(s->media.worker, settings_hardware_names[s->media.derive.hardware], err);
}

static int open_all(struct daemon *d, struct error *err)
{
    const struct settings *s = current_settings(d);
    struct store_options options = {
        .create = true, .lock = true, .immutable = (enum store_immutable)s->store.immutable};
    struct utsname host;
    char version[160];
    int r = media_check(s->media.worker, err);

    if (r == 0 && media_version(s->media.worker, version, sizeof version) == 0)
        log_event(EVENT_MEDIA_PROGRAM, "VERSION", version, NULL);
    r = r != 0 ? r : check_hardware(s, err);
    if (r == 0)
        r = store_open_local(s->archive.path, &options, &d->store, err);
    if (r == 0)
        r = open_ledger(d, s, err);
    uname(&host);
    if (r == 0)
        r = writer_new(s->catalogue.dsn, d->ledger, host.nodename, &d->writer, err);
    if (r == 0 && ledger_size(d->ledger) == 0)
        r = writer_run(d->writer, true, record_start, d, err);
    if (r == 0)
        r = policy_keeper_new(d->writer, s->catalogue.dsn, s, &d->policy, err);
    return r;
}

/* Sockets that systemd made for us, by name. */
static int open_api(struct daemon *d, const struct api_context *context, struct error *err)
{
    char **names = NULL;
    struct api_handed handed[SOCKETS_MAX];
    int n = sd_listen_fds_with_names(1, &names), r;

    if (n < 0)
        return error_errno(err, n, "LISTEN_FDS", "cannot be read");
    for (int i = 0; i < n; i++) {
        if (i < SOCKETS_MAX)
            handed[i] = (struct api_handed){SD_LISTEN_FDS_START + i, names[i]};
        else
            close(SD_LISTEN_FDS_START + i);
    }
    r = api_new(context, handed, (size_t)MIN(n, SOCKETS_MAX), &d->api, err);
    for (int i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
    return r;
}

static int open_doors(struct daemon *d, struct error *err)
{
    struct doors_context doors = {d->intake, d->writer, d->ledger, d->feed, d->readers, current_settings, d};

    return doors_new(&doors, &d->doors, err);
}

static void on_examined(void *userdata)
{
    derive_kick(userdata);
}

static int start_derive(struct daemon *d, struct error *err)
{
    const struct settings *s = current_settings(d);
    struct derive_context context = {
        .store = d->store, .writer = d->writer, .intake = d->intake, .feed = d->feed, .settings = s};
    _cleanup_free_ char *cache = NULL;
    int r = asprintf(&cache, "%s/cache", s->archive.path) < 0 ? -ENOMEM : 0;

    context.cache = cache;
    r = r < 0 ? r : derive_new(&context, &d->derive, err);
    if (r == 0)
        intake_on_examined(d->intake, on_examined, d->derive);
    return r;
}

static int start_disposal(struct daemon *d)
{
    struct disposal_context context = {d->store, d->writer, d->readers, d->policy, d->derive};

    return disposal_new(&context, &d->disposal);
}

static int watch_devices(struct daemon *d)
{
    struct device_watch_context watch = {d->readers, d->feed, current_settings, d};

    return device_watch_new(&watch, &d->devices);
}

static int start_all(struct daemon *d, struct error *err)
{
    const struct generation *g = d->generations;
    struct intake_context in;
    struct api_context api;
    int r = open_all(d, err);

    r = r != 0 ? r : feed_new(&d->feed);
    r = r != 0 ? r : readers_new(g->settings->catalogue.dsn, &d->readers);
    if (r != 0)
        return r;
    in = (struct intake_context){d->store, d->writer, d->ledger, d->policy, d->feed, g->settings, g->placer};
    r = intake_new(&in, &d->intake, err);
    r = r != 0 ? r : start_derive(d, err);
    r = r != 0 ? r : start_disposal(d);
    r = r != 0 ? r : open_doors(d, err);
    if (r != 0)
        return r;
    api = (struct api_context){.writer = d->writer,
                               .intake = d->intake,
                               .ledger = d->ledger,
                               .store = d->store,
                               .policy = d->policy,
                               .feed = d->feed,
                               .readers = d->readers,
                               .doors = d->doors,
                               .derive = d->derive,
                               .disposal = d->disposal,
                               .settings = current_settings,
                               .status = daemon_status,
                               .userdata = d};
    r = open_api(d, &api, err);
    return r != 0 ? r : watch_devices(d);
}

/* The seal in hand is finished, but nobody waits for a catalogue or a disk that takes no writes. */
static void stop_all(struct daemon *d)
{
    if (d->writer)
        writer_hurry(d->writer);
    if (d->intake)
        intake_hurry(d->intake);
    derive_hurry(d->derive);
    if (d->feed)
        feed_close(d->feed);
    api_free(d->api);
    if (d->reloading_started)
        pthread_join(d->reloader, NULL);
    device_watch_free(d->devices);
    disposal_free(d->disposal);
    doors_free(d->doors);
    if (d->intake)
        intake_on_examined(d->intake, NULL, NULL);
    derive_free(d->derive);
    intake_free(d->intake);
    readers_free(d->readers);
    policy_keeper_free(d->policy);
    writer_free(d->writer);
    ledger_close(d->ledger);
    signing_key_free(d->key);
    store_close(d->store);
    feed_free(d->feed);
    for (struct generation *g = d->generations, *older; g; g = older) {
        older = g->older;
        placer_free(g->placer);
        settings_free(g->settings);
        free(g);
    }
    sd_event_unref(d->loop);
}

static int add_signals(struct daemon *d)
{
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread exists */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN); /* a lease being broken; asked for with F_GETLEASE */
    r = sd_event_default(&d->loop);
    r = r < 0 ? r : sd_event_add_signal(d->loop, NULL, SIGTERM, on_stop, d);
    r = r < 0 ? r : sd_event_add_signal(d->loop, NULL, SIGINT, on_stop, d);
    r = r < 0 ? r : sd_event_add_signal(d->loop, NULL, SIGHUP, on_hangup, d);
    return r < 0 ? r : sd_event_set_watchdog(d->loop, true);
}

/* Until the loop runs, nobody else takes signals. What is cut off here is cut off as by a power cut, which recovery is for. */
static void *stop_while_starting(void *userdata)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigwait(&set, &sig) != 0)
        return NULL;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    log_event(EVENT_DAEMON_STOPPING, "REASON", strsignal(sig), NULL);
    _exit(EXIT_SUCCESS);
}

static int start_stoppably(struct daemon *d, struct error *err)
{
    pthread_t watcher;
    bool watched = pthread_create(&watcher, NULL, stop_while_starting, NULL) == 0;
    int r = start_all(d, err);

    if (watched) {
        pthread_cancel(watcher);
        pthread_join(watcher, NULL);
    }
    return r;
}

/* Whoever starts us with 0 to 2 closed must not get log lines into a file of ours. */
static void fill_standard_fds(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_NOCTTY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static void raise_limits(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = MIN(l.rlim_max, (rlim_t)16384);
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
    (void)mallopt(M_ARENA_MAX, 2); /* few arenas: a small resident set with many threads */
    umask(0027);
}

static int run(struct daemon *d)
{
    struct error err = ERROR_INIT;
    char text[1100];
    int r;

    raise_limits();
    r = add_signals(d);
    if (r < 0) {
        log_event(EVENT_DAEMON_FATAL, "REASON", strerror(-r), NULL);
        return EXIT_FAILURE;
    }
    d->started_usec = clock_now_usec();
    r = start_stoppably(d, &err);
    if (r != 0) {
        if (!err.text[0])
            error_set(&err, r, "", "%s", r < 0 ? strerror(-r) : "could not start");
        log_event(EVENT_DAEMON_FATAL, "REASON", error_format(&err, text, sizeof text), NULL);
        return r == -EINVAL ? EXIT_CONFIG : EXIT_FAILURE;
    }
    log_event(EVENT_DAEMON_READY, "VERSION", LIUHEN_VERSION, "ARCHIVE", current_settings(d)->archive.path,
              NULL);
    notify_state("READY=1");
    say_status(d);
    r = sd_event_loop(d->loop);
    notify_state("STOPPING=1");
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- command line ------------------------------------------------------------------------------------------------------- */

static int usage(FILE *out, int status)
{
    fputs("Usage: liuhend [OPTION]...\n"
          "Takes in enforcement footage, seals it, and keeps it as long as the policy says.\n\n"
          "  --config FILE     read the settings from FILE (default: embedded defaults)\n"
          "  --set KEY=VALUE   override one setting, for example --set archive.path=/srv/liuhen; may be "
          "repeated\n"
          "  --check-config    check the settings, print every fault, and exit (0 good, 78 not)\n"
          "  --dump-config     print every setting with its value and help, and exit\n"
          "  --dump-openapi    print openapi.yaml, and exit\n"
          "  --dump-man        print the manual page liuhen-settings(5), and exit\n"
          "  --version         print the version\n"
          "  --help            print this\n\n"
          "SIGHUP reads the settings again; SIGTERM finishes the seal in hand and stops.\n",
          out);
    return status;
}

static int print_text(int r, char *text)
{
    _cleanup_free_ char *owned = text;

    if (r < 0)
        return EXIT_FAILURE;
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int print_openapi(void)
{
    struct error err = ERROR_INIT;
    char *text = NULL;
    int r = openapi_text(&text, &err);

    if (r < 0)
        fprintf(stderr, "liuhend: %s: %s\n", err.object, err.text);
    return print_text(r, text);
}

enum mode { MODE_RUN, MODE_CHECK, MODE_DUMP };

static int start_as(struct daemon *d, enum mode mode)
{
    unsigned faults = 0;
    struct error err = ERROR_INIT;
    struct generation *g;
    char *text = NULL;
    int r = load_settings(d, print_fault, &faults, &g);

    if (r < 0) {
        fprintf(stderr, "%sliuhend: the configuration is not usable (%u fault%s)\n",
                log_is_journal() ? SD_ERR : "", faults, faults == 1 ? "" : "s");
        return EXIT_CONFIG;
    }
    install_generation(d, g);
    if (mode == MODE_CHECK && check_hardware(g->settings, &err) < 0) {
        print_fault(&faults, &err);
        return EXIT_CONFIG;
    }
    if (mode == MODE_CHECK) {
        printf("%s: good\n", g->settings->file);
        return EXIT_SUCCESS;
    }
    if (mode == MODE_DUMP) {
        r = settings_dump(g->settings, &text);
        return print_text(r, text);
    }
    return run(d);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"set", required_argument, NULL, 's'},
                                            {"check-config", no_argument, NULL, 'k'},
                                            {"dump-config", no_argument, NULL, 'd'},
                                            {"dump-man", no_argument, NULL, 'm'},
                                            {"dump-openapi", no_argument, NULL, 'o'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct daemon d;
    enum mode mode = MODE_RUN;
    char *text = NULL;
    int status, r;

    fill_standard_fds();
    d.overrides = calloc((size_t)argc, sizeof *d.overrides);
    if (!d.overrides)
        return EXIT_FAILURE;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            d.config_file = optarg;
            break;
        case 's':
            d.overrides[d.n_overrides++] = optarg;
            break;
        case 'k':
            mode = MODE_CHECK;
            break;
        case 'd':
            mode = MODE_DUMP;
            break;
        case 'm':
            r = settings_man(&text);
            return print_text(r, text);
        case 'o':
            return print_openapi();
        case 'v':
            puts("liuhend " LIUHEN_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            return usage(stdout, EXIT_SUCCESS);
        default:
            return usage(stderr, EXIT_USE);
        }
    }
    if (optind < argc)
        return usage(stderr, EXIT_USE);
    status = start_as(&d, mode);
    stop_all(&d);
    free(d.overrides);
    return status;
}
