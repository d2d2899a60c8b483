/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one table of events. A row: id, level, mandatory fields (space-separated upper-case journald names), text with the
 * fields in braces. From it come journald fields, readable log lines, counters and the manual page; tests/unit/test-log.c
 * checks that every text uses only fields that its row declares. Levels: ERROR someone must act; WARNING look at it today;
 * NOTICE rare and good to know; INFO normal work; DEBUG. No footage, no secrets in any field.
 */
#ifndef LIUHEN_BASE_EVENT_TABLE_H
#define LIUHEN_BASE_EVENT_TABLE_H

/* clang-format off */
#define EVENT_TABLE(X) \
    X(DAEMON_READY,        NOTICE,  "VERSION ARCHIVE",        "liuhend {VERSION} is ready, archive {ARCHIVE}") \
    X(MEDIA_PROGRAM,       NOTICE,  "VERSION",                "recordings are read by {VERSION}") \
    X(DAEMON_STOPPING,     NOTICE,  "REASON",                 "stopping: {REASON}") \
    X(DAEMON_FATAL,        ERROR,   "REASON",                 "cannot go on: {REASON}") \
    X(CONFIG_RELOADED,     NOTICE,  "FILE",                   "configuration reloaded from {FILE}") \
    X(CONFIG_REFUSED,      ERROR,   "FILE REASON",            "configuration {FILE} refused, the old one stays in force: {REASON}") \
    X(CONFIG_RESTART,      WARNING, "KEY",                    "{KEY} changed in the configuration; it takes effect at the next restart") \
    X(INTAKE_PAUSED,       ERROR,   "REASON",                 "intake paused: {REASON}; nothing is lost, it resumes by itself") \
    X(INTAKE_RESUMED,      NOTICE,  "REASON",                 "intake resumed: {REASON}") \
    X(FOLDER_MISSING,      ERROR,   "FOLDER REASON",          "drop folder {FOLDER} is not there: {REASON}; watching for its return") \
    X(FOLDER_RETURNED,     NOTICE,  "FOLDER",                 "drop folder {FOLDER} is watched") \
    X(FOLDER_OVERFLOW,     NOTICE,  "FOLDER",                 "too many changes at once in {FOLDER}; looking through all of it") \
    X(FILE_REFUSED,        WARNING, "FILE REASON",            "{FILE} left where it is: {REASON}") \
    X(FILE_QUARANTINED,    ERROR,   "FILE REASON",            "{FILE} put into quarantine: {REASON}") \
    X(RECORDING_SEALED,    INFO,    "RECORDING FILE BYTES",   "sealed {FILE} as {RECORDING} ({BYTES} bytes)") \
    X(RECORDING_AGAIN,     INFO,    "RECORDING FILE",         "{FILE} is known already: noted as another arrival of {RECORDING}") \
    X(RECORDING_EXAMINED,  INFO,    "RECORDING STATUS",       "examined {RECORDING}: {STATUS}") \
    X(RECORDING_DAMAGED,   WARNING, "RECORDING REASON",       "{RECORDING} is damaged: {REASON}; kept as it came") \
    X(SOURCE_LEFT,         WARNING, "FILE REASON",            "sealed, but the source {FILE} stays: {REASON}") \
    X(UPLOAD_EXPIRED,      NOTICE,  "UPLOAD FILE BYTES",      "unfinished upload {UPLOAD} of {FILE} expired with {BYTES} bytes; they are gone") \
    X(UPLOAD_WAITS,        WARNING, "UPLOAD FILE REASON",     "upload {UPLOAD} of {FILE} waits, it is tried again: {REASON}") \
    X(EXAMINE_FAILED,      ERROR,   "RECORDING REASON",       "{RECORDING} could not be examined, it is tried again later: {REASON}") \
    X(DERIVED,             INFO,    "RECORDING STATUS",       "derivatives of {RECORDING} are made: {STATUS}") \
    X(DERIVE_FAILED,       WARNING, "RECORDING REASON",       "derivatives of {RECORDING} cannot be made: {REASON}; the recording is kept as it came") \
    X(DERIVE_PUT_OFF,      WARNING, "RECORDING REASON",       "derivatives of {RECORDING} are made later: {REASON}") \
    X(HARDWARE_FAILED,     WARNING, "RECORDING REASON",       "hardware failed on {RECORDING}, which is done in software: {REASON}") \
    X(NO_HARDWARE,         WARNING, "REASON",                 "{REASON}") \
    X(DERIVE_SWEEP,        WARNING, "REASON",                 "the cache was not looked through to its end: {REASON}") \
    X(CLOCK_DOUBTFUL,      WARNING, "REASON",                 "the clock is doubtful: {REASON}") \
    X(POLICY_ADOPTED,      NOTICE,  "POLICY VERSION",         "policy {POLICY} version {VERSION} is in force") \
    X(POLICY_REFUSED,      ERROR,   "POLICY REASON",          "policy {POLICY} not adopted, the one before stays in force: {REASON}") \
    X(RECOVERY_DONE,       NOTICE,  "FINISHED UNDONE KEPT",   "recovered from staging: {FINISHED} seals finished, {UNDONE} begun again, {KEPT} quarantined") \
    X(LEDGER_CAUGHT_UP,    NOTICE,  "FROM TO",                "ledger files caught up with the catalogue, {FROM} to {TO} leaves") \
    X(CATALOGUE_BUSY,      WARNING, "REASON",                 "the catalogue does not take writes: {REASON}") \
    X(CATALOGUE_WELL,      NOTICE,  "REASON",                 "the catalogue takes writes again, after: {REASON}") \
    X(API_LISTENS,         NOTICE,  "ADDRESS",                "{ADDRESS} is open") \
    X(API_DENIED,          WARNING, "WHO ACT REASON",         "{WHO} may not {ACT}: {REASON}") \
    X(API_FAILED,          ERROR,   "ACT REASON",             "{ACT} failed: {REASON}") \
    X(DEVICE_DENIED,       WARNING, "ADDRESS DEVICE REASON",  "a device was refused (from {ADDRESS}, device {DEVICE}): {REASON}") \
    X(DEVICE_ALARM,        ERROR,   "WHO COUNT",              "{COUNT} sign-ins of {WHO} were refused in a short time; see whether its token is old or somebody is trying") \
    X(BODYWORN_LATE,       NOTICE,  "DEVICE CONTAINER OBJECT", "{DEVICE} brought {OBJECT} for {CONTAINER}, which it had called complete; taken") \
    X(DEVICE_SILENT,       WARNING, "DEVICE SINCE",           "nothing has been heard of device {DEVICE} since {SINCE}") \
    X(DEVICE_RETURNED,     NOTICE,  "DEVICE SINCE",           "device {DEVICE} is back, heard of at {SINCE}") \
    X(DEVICE_CLOCK,        WARNING, "DEVICE SECONDS",         "the clock of device {DEVICE} is off by {SECONDS} s; set it right") \
    X(SUPPRESSED,          NOTICE,  "EVENT COUNT",            "{COUNT} more of {EVENT} in the last minute")
/* clang-format on */

enum event {
#define EVENT_ID(id, level, fields, text) EVENT_##id,
    EVENT_TABLE(EVENT_ID)
#undef EVENT_ID
        EVENT_COUNT
};

#endif
