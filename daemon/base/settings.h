/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The site's settings (retention.yaml) as a struct, filled from one table of keys (settings.c) by base/config. Every key has
 * a default, so no file is needed at all. A struct settings is immutable once handed out and may be shared between threads;
 * a reload makes a new one. Fields marked "derived" are worked out from others and are what callers should use.
 */
#ifndef LIUHEN_BASE_SETTINGS_H
#define LIUHEN_BASE_SETTINGS_H

#include <stdbool.h>

#include "base/calendar.h"
#include "base/config.h"
#include "base/error.h"

#define SETTINGS_BYTES_MAX (1u << 20)    /* a larger retention.yaml is refused before it is read */
#define POLICY_BYTES_MAX   (256u * 1024) /* and so is a larger policy */

enum store_immutable { STORE_IMMUTABLE_AUTO, STORE_IMMUTABLE_YES, STORE_IMMUTABLE_NO };
enum folder_after {
    FOLDER_AFTER_REMOVE,
    FOLDER_AFTER_MOVE,
    FOLDER_AFTER_KEEP
}; /* what becomes of a sealed source */
enum place_on { PLACE_ON_PATH, PLACE_ON_NAME, PLACE_ON_QR };
enum place_certainty { PLACE_CERTAIN, PLACE_PROBABLE };

/* Roles of people: 执法人员, 档案管理员, 法制处, 系统管理员. Bits of settings_person.roles are 1u << enum role. */
enum role { ROLE_OFFICER, ROLE_RECORDS, ROLE_LEGAL, ROLE_ADMINISTRATOR, ROLE_COUNT };
const char *role_name(enum role r);                 /* "officer", "records", "legal", "administrator" */
int role_parse(const char *name, enum role *ret);   /* 0 or -EINVAL */
const char *folder_after_name(enum folder_after a); /* "remove", "move", "keep" */

/* What is made of recordings. Bits of settings.media.derive.make are 1u << enum derive_what. */
enum derive_what {
    DERIVE_PROXY,
    DERIVE_POSTER,
    DERIVE_SPRITE,
    DERIVE_PEAKS,
    DERIVE_TRAIL,
    DERIVE_PHOTO,
    DERIVE_PAGES,
};

/* "20:00-06:00" as minutes of the day. Return: 0 or -EINVAL. */
int settings_hours_parse(const char *text, int *ret_from, int *ret_to);

struct settings_folder {
    char *path;                    /* absolute */
    char *name;                    /* derived when not given: the last component of path; unique */
    char *device, *unit, *officer; /* constants for what arrives here; "" = not known */
    char *timezone;                /* as given; "" = the site's */
    struct zone *zone;             /* derived, never NULL */
    int after;                     /* enum folder_after */
    int64_t settle_usec;           /* how long size and mtime must stand still where no lease can be had */
    int64_t quiet_usec; /* and how long in any case: an upload that broke off may be gone on with */
    bool per_device;    /* the first folder of a path is the serial number of a device */
    char *complete;     /* ".done" (a suffix) or "COMPLETE" (a file name in the folder); "" = none */
    struct config_strings ignore; /* shell patterns over the last name component */
    bool recursive;
    char *sidecar; /* suffix of a sidecar ("" = none): clip.mp4 + clip.mp4.json or clip.json */
    bool receipts; /* write <name>.tlog-proof beside the source */
};

struct settings_place {
    char *name;
    char *
        match; /* PCRE2 pattern; compiled by cases/place-rule.c, which reports faults with settings_place_where */
    int on;                                      /* enum place_on */
    char *folder;                                /* name of the folder it is for; "" = all */
    char *device, *officer, *unit, *case_number; /* constants; "" = none */
    int certainty;                               /* enum place_certainty */
    int line, column; /* where the rule stands in the file, of its pattern; 0 when not from a file */
};

struct settings_person {
    char *user;     /* OS user name; unique */
    char *name;     /* as people write it; derived when not given: user */
    unsigned roles; /* bit set of 1u << enum role, never 0 */
};

struct settings {
    char *file; /* the file they came from; "(defaults)" */
    struct {
        char *name;        /* origin of the ledger, e.g. "liuhen.local/log" */
        char *timezone;    /* IANA name */
        struct zone *zone; /* derived, never NULL */
    } site;
    struct {
        char *path;
    } archive;
    struct {
        char *dsn_given; /* as written */
        char *dsn;       /* derived: ARCHIVE/catalogue.db when not given */
    } catalogue;
    struct {
        int immutable; /* enum store_immutable */
        bool sm3;
        uint64_t reserve_bytes; /* intake pauses when less is free */
    } store;
    struct {
        char *path_given;
        char *path;    /* derived: ARCHIVE/liuhen.sock when not given */
        unsigned mode; /* 0660 */
    } socket;
    struct {
        char *loopback;                      /* "127.0.0.1:8480"; "" = none */
        char *tls;                           /* "[::]:8443"; "" = none */
        char *certificate, *key, *client_ca; /* paths; "" = the site's own */
        struct config_strings names;         /* host names for the site's own certificate */
        int64_t connections, connections_per_address;
        int64_t header_usec;
        uint64_t rate_bytes;           /* a second */
        struct config_strings origins; /* of browsers; "*" = all */
        int64_t open_usec;             /* how long what `liuhen open` gives is good */
    } http;
    struct {
        uint64_t max_bytes;  /* of one */
        int64_t expire_usec; /* an unfinished one, after its last byte */
        int64_t waiting;     /* unfinished ones at most, a device */
        int64_t silent_usec; /* after which a request that writes gives way to another one */
    } uploads;
    struct {
        int64_t silent_usec; /* 0 = never */
        int64_t clock_usec;  /* a camera's clock may be off by so much */
        int64_t denials;     /* so many in denials_usec raise an alarm */
        int64_t denials_usec;
        bool wipe; /* docks may wipe cards against receipts */
    } devices;
    struct settings_folder *folders;
    size_t n_folders;
    struct settings_place *place;
    size_t n_place;
    struct settings_person *people;
    size_t n_people;
    char *policy; /* name of a set in `policies`, or an absolute path */
    char *policies_given;
    char *
        policies; /* derived: folder of policy sets; ../share/liuhen/policies beside this program's folder when not given */
    char *policy_file; /* derived: the file that `policy` means */
    struct {
        char *worker_given;
        char *worker; /* derived: liuhen-media beside this program when not given */
        int64_t deadline_usec;
        uint64_t memory_bytes;
        int64_t nice;
        int64_t copies_kept_usec;
        struct {
            bool enabled;
            unsigned make; /* bit set of 1u << enum derive_what */
            int64_t height, jobs, threads, cpu_percent, nice;
            int hardware; /* index of settings_hardware_names */
            char *device; /* of that hardware; "" = the first */
            int64_t deadline_usec, deadline_factor;
            uint64_t memory_bytes;
            int64_t load_percent;
            char *hours; /* "20:00-06:00"; "" = always */
        } derive;
    } media;
    struct {
        int64_t threads;
        int64_t batch;          /* at most so many small files share one seal */
        int64_t takes_gap_usec; /* clips of one device at most so far apart are one take */
    } intake;
    struct {
        int level; /* enum log_level */
    } log;
};

/* Reads the file at path (NULL: defaults alone). Every fault is reported through on_fault (may be NULL) with object
 * "file:line:column"; *ret is untouched when there is any.
 * Return: 0, -EINVAL (faults in the text), -EFBIG, -ENOENT, -EACCES … (not readable; also reported), -ENOMEM. */
int settings_load(const char *path, config_on_fault on_fault, void *userdata, struct settings **ret);

/* The same from memory; file is the name used in faults. */
int settings_parse(const char *text, size_t size, const char *file, config_on_fault on_fault, void *userdata,
                   struct settings **ret);
struct settings *settings_free(struct settings *s);
DEFINE_CLEANUP(struct settings *, settings_free)

/* Sets one scalar from "archive.path=/x" (liuhend --set) and works out the derived fields again.
 * Return: 0, -EINVAL (err says what would be right; s is unchanged), -ENOMEM. */
int settings_override(struct settings *s, const char *assignment, struct error *err);

/* retention.yaml with every key, the value in force and its help as a comment; loads back to equal settings. New string. */
int settings_dump(const struct settings *s, char **ret);

/* The manual page liuhen-settings(5), troff. New string. */
int settings_man(char **ret);

/* Calls on_key for each key whose value differs and which takes effect only at a restart. Lists are one key.
 * Return: how many. */
int settings_diff_restart(const struct settings *old, const struct settings *new,
                          void (*on_key)(void *userdata, const char *key), void *userdata);

/* Reads the text of the policy in force: settings.policy_file, or, when that file is not there and `policy` names the set built
 * into the program, that set. *ret_file (new string) is for faults. Return: 0, negative errno (err set). */
int settings_read_policy(const struct settings *s, char **ret_text, size_t *ret_size, char **ret_file,
                         struct error *err);

/* "file:line:column" of a place rule's pattern for faults found later. */
void settings_place_where(const struct settings *s, const struct settings_place *rule, char *out,
                          size_t size);

#endif
