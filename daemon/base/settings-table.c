/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every key of retention.yaml: one row each with type, bounds, default, whether a reload takes it, and its help. Validation,
 * --dump-config and the manual page come from here and nowhere else. A new key is a row here and a field in struct settings.
 */
#include "base/settings-table.h"

#include <string.h>

#include "base/log.h"

#define AT(field)       offsetof(struct settings, field)
#define IN(item, field) offsetof(struct item, field)
#define LIST(pointer, count, item)                                                                           \
    .offset = AT(pointer), .count_offset = AT(count), .item_size = sizeof(struct item)

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define TIB (INT64_C(1) << 40)

const char *const settings_role_names[] = {"officer", "records", "legal", "administrator", NULL};
const char *const settings_after_names[] = {"remove", "move", "keep", NULL};
static const char *const immutable_names[] = {"auto", "yes", "no", NULL};
static const char *const on_names[] = {"path", "name", "qr", NULL};
static const char *const certainty_names[] = {"certain", "probable", NULL};
const char *const settings_hardware_names[] = {"none", "vaapi", "cuda", "qsv", NULL};
static const char *const derive_names[] = {"proxy", "poster", "sprite", "peaks",
                                           "trail", "photo",  "pages",  NULL};
static const char *const level_names[] = {"error", "warning", "notice", "info", "debug", NULL};

/* C2SP signed-note: a key name is not empty and has no Unicode space and no plus sign. */
static const char *check_origin(const char *value)
{
    static const char *const right = "write a name without spaces and '+', such as records.example.cn/log";

    if (strpbrk(value, " +"))
        return right;
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p >= 0x80)
            return "write it in plain ASCII, such as records.example.cn/log";
    return NULL;
}

static const char *check_policy_name(const char *value)
{
    if (value[0] == '/' || !strchr(value, '/'))
        return NULL;
    return "write the name of a set in the policies folder, or an absolute path";
}

static const char *check_suffix(const char *value)
{
    return strchr(value, '/') ? "write a suffix or a file name without '/'" : NULL;
}

static const char *check_hours(const char *value)
{
    int from, to;

    return *value && settings_hours_parse(value, &from, &to) < 0
               ? "write two different times with a dash, such as 20:00-06:00"
               : NULL;
}

static const char *check_user(const char *value)
{
    return strpbrk(value, " :/") ? "write the user's name as `id -un` prints it" : NULL;
}

/* clang-format off */
static const struct config_row rows[] = {
    {.path = "site", .type = CONFIG_SECTION, .help = "The site as a whole."},
    {.path = "site.name", .type = CONFIG_STRING, .offset = AT(site.name), .min = 1, .max = 200,
     .fallback = "liuhen.local/log", .check = check_origin,
     .help = "Origin of the ledger: a name without scheme that nobody else uses, such as records.example.cn/log.\n"
             "It is written into every checkpoint and receipt. Choose it before the first start; it cannot change later."},
    {.path = "site.timezone", .type = CONFIG_ZONE, .offset = AT(site.timezone), .min = 1, .max = 64,
     .fallback = "Asia/Shanghai", .reloadable = true,
     .help = "Time zone (IANA name) of camera clocks that do not say theirs, and of dates shown to people."},

    {.path = "archive", .type = CONFIG_SECTION, .help = "Where everything is kept."},
    {.path = "archive.path", .type = CONFIG_PATH, .offset = AT(archive.path), .min = 1, .max = 900,
     .fallback = "/var/lib/liuhen",
     .help = "The archive: objects, ledger, keys, staging, quarantine and cache. One folder on one file system."},

    {.path = "catalogue", .type = CONFIG_SECTION, .help = "The searchable catalogue; it can be rebuilt from the archive."},
    {.path = "catalogue.dsn", .type = CONFIG_STRING, .offset = AT(catalogue.dsn_given), .min = 0, .max = 1000,
     .fallback = "\"\"",
     .help = "A file (SQLite) or a PostgreSQL connection: postgresql://… or host=… dbname=…\n"
             "Empty: catalogue.db in the archive."},

    {.path = "store", .type = CONFIG_SECTION, .help = "How originals are stored."},
    {.path = "store.immutable", .type = CONFIG_ENUM, .offset = AT(store.immutable), .names = immutable_names,
     .fallback = "auto",
     .help = "Set the immutable flag on originals. auto: where the file system and our rights allow it; yes: refuse to\n"
             "start where they do not; no: file modes alone protect."},
    {.path = "store.sm3", .type = CONFIG_BOOL, .offset = AT(store.sm3), .fallback = "false", .reloadable = true,
     .help = "Compute SM3 (GB/T 32905) beside SHA-256 for new recordings. Costs hashing speed."},
    {.path = "store.reserve", .type = CONFIG_SIZE, .offset = AT(store.reserve_bytes), .min = 0, .max = 1024 * TIB,
     .fallback = "1 GiB", .reloadable = true,
     .help = "Intake pauses while less than this is free on the archive's file system. Nothing is ever erased for space."},

    {.path = "socket", .type = CONFIG_SECTION, .help = "The socket on which the command line talks to the daemon."},
    {.path = "socket.path", .type = CONFIG_PATH, .offset = AT(socket.path_given), .min = 0, .max = 107,
     .fallback = "/run/liuhen/liuhen.sock", .help = "Its path. Empty: liuhen.sock in the archive."},
    {.path = "socket.mode", .type = CONFIG_MODE, .offset = AT(socket.mode), .max = 0777, .fallback = "0660",
     .help = "Its mode. People are told apart by their user names, so 0666 is safe where all users may look."},

    {.path = "http", .type = CONFIG_SECTION,
     .help = "Uploads over the network: HTTP with PUT, POST, tus, and what body-worn camera systems speak. Changes here take effect at a\n"
             "restart (but for http.origins and http.open_time): a reload does not touch what listens."},
    {.path = "http.loopback", .type = CONFIG_STRING, .offset = AT(http.loopback), .max = 100, .fallback = "\"\"",
     .help = "Address and port for plain HTTP, a loopback one such as 127.0.0.1:8480 (for a proxy in front, or programs on this\n"
             "machine). Empty: none."},
    {.path = "http.tls", .type = CONFIG_STRING, .offset = AT(http.tls), .max = 100, .fallback = "\"\"",
     .help = "Address and port for HTTPS, such as [::]:8443 for all addresses of this machine. Empty: none."},
    {.path = "http.certificate", .type = CONFIG_PATH, .offset = AT(http.certificate), .min = 0, .max = 3000,
     .fallback = "\"\"",
     .help = "The server's certificate (PEM, with its chain). Empty: the site's own small authority makes one."},
    {.path = "http.key", .type = CONFIG_PATH, .offset = AT(http.key), .min = 0, .max = 3000, .fallback = "\"\"",
     .help = "Its private key (PEM)."},
    {.path = "http.client_ca", .type = CONFIG_PATH, .offset = AT(http.client_ca), .min = 0, .max = 3000,
     .fallback = "\"\"",
     .help = "Who signs the certificates of devices (PEM). Empty: the site's own small authority (`liuhen device enrol`)."},
    {.path = "http.names", .type = CONFIG_STRINGS, .offset = AT(http.names), .max = 100, .fallback = "[]",
     .help = "Host names and addresses by which devices reach this machine; they stand in the certificate that it makes for itself."},
    {.path = "http.connections", .type = CONFIG_INTEGER, .offset = AT(http.connections), .min = 8, .max = 20000,
     .fallback = "2000", .help = "Connections at most, each of loopback and TLS."},
    {.path = "http.connections_per_address", .type = CONFIG_INTEGER, .offset = AT(http.connections_per_address), .min = 1,
     .max = 20000, .fallback = "500", .help = "Connections at most from one address, over TLS."},
    {.path = "http.header_time", .type = CONFIG_DURATION, .offset = AT(http.header_usec), .min = USEC_PER_SEC,
     .max = 10 * USEC_PER_MIN, .fallback = "20 s",
     .help = "How long a client may take for the headers of a request; then the connection is cut."},
    {.path = "http.least_rate", .type = CONFIG_SIZE, .offset = AT(http.rate_bytes), .min = 0, .max = GIB, .fallback = "512 B",
     .help = "Bytes a second that an upload must bring, measured over half a minute; slower connections are cut. 0 B: no limit."},
    {.path = "http.origins", .type = CONFIG_STRINGS, .offset = AT(http.origins), .max = 100, .fallback = "[\"*\"]",
     .reloadable = true,
     .help = "Web pages (origins) from which browsers may upload by tus; tokens are needed all the same."},
    {.path = "http.open_time", .type = CONFIG_DURATION, .offset = AT(http.open_usec), .min = USEC_PER_SEC,
     .max = 31 * USEC_PER_DAY, .fallback = "8 h", .reloadable = true,
     .help = "How long the address that `liuhen open` gives is good: with it a browser sees that one recording, without signing in."},

    {.path = "uploads", .type = CONFIG_SECTION, .help = "Limits of uploads over the network."},
    {.path = "uploads.max", .type = CONFIG_SIZE, .offset = AT(uploads.max_bytes), .min = MIB, .max = 1024 * TIB,
     .fallback = "256 GiB", .reloadable = true, .help = "The largest file that is taken."},
    {.path = "uploads.expire", .type = CONFIG_DURATION, .offset = AT(uploads.expire_usec), .min = USEC_PER_MIN,
     .max = 366 * USEC_PER_DAY, .fallback = "7 days", .reloadable = true,
     .help = "An unfinished resumable upload is thrown away when nothing has come for so long."},
    {.path = "uploads.waiting", .type = CONFIG_INTEGER, .offset = AT(uploads.waiting), .min = 1, .max = 100000,
     .fallback = "1000", .reloadable = true, .help = "Unfinished resumable uploads that one device may have."},
    {.path = "uploads.silent", .type = CONFIG_DURATION, .offset = AT(uploads.silent_usec), .min = USEC_PER_MSEC,
     .max = USEC_PER_DAY, .fallback = "2 s", .reloadable = true,
     .help = "When a client comes again for an upload whose last connection has been silent for so long, that one is cut."},

    {.path = "devices", .type = CONFIG_SECTION, .help = "Devices that deliver by themselves; `liuhen device` registers them."},
    {.path = "devices.silent", .type = CONFIG_DURATION, .offset = AT(devices.silent_usec), .min = 0, .max = 3660 * USEC_PER_DAY,
     .fallback = "7 days", .reloadable = true,
     .help = "A device that has delivered and then is not heard of for so long is reported. 0 s: never."},
    {.path = "devices.clock", .type = CONFIG_DURATION, .offset = AT(devices.clock_usec), .min = 0, .max = 3660 * USEC_PER_DAY,
     .fallback = "2 min", .reloadable = true,
     .help = "How far a camera's clock may be off; beyond it the device is reported and its times are corrected and not certain."},
    {.path = "devices.denials", .type = CONFIG_INTEGER, .offset = AT(devices.denials), .min = 1, .max = 1000, .fallback = "5",
     .reloadable = true, .help = "So many refused sign-ins of one device or address within devices.denials_within raise an alarm."},
    {.path = "devices.denials_within", .type = CONFIG_DURATION, .offset = AT(devices.denials_usec), .min = USEC_PER_SEC,
     .max = 366 * USEC_PER_DAY, .fallback = "10 min", .reloadable = true, .help = "The time for devices.denials."},
    {.path = "devices.wipe", .type = CONFIG_BOOL, .offset = AT(devices.wipe), .fallback = "false", .reloadable = true,
     .help = "Docks may wipe a card, file by file, once this site has sealed each file and its receipt is verified."},

    {.path = "folders", .type = CONFIG_LIST, LIST(folders, n_folders, settings_folder), .max = 1000, .reloadable = true,
     .help = "Drop folders: what is put there is sealed. Uploads by FTP, SFTP, SMB and docking stations land here."},
    {.path = "folders[].path", .type = CONFIG_PATH, .offset = IN(settings_folder, path), .min = 1, .max = 3000,
     .help = "The folder. It may be missing for a time (a mounted share): it is watched for."},
    {.path = "folders[].name", .type = CONFIG_STRING, .offset = IN(settings_folder, name), .max = 100, .fallback = "\"\"",
     .help = "Short name in records and rules. Empty: the last part of the path."},
    {.path = "folders[].device", .type = CONFIG_STRING, .offset = IN(settings_folder, device), .max = 200,
     .fallback = "\"\"", .help = "The device that all files here come from, if one."},
    {.path = "folders[].unit", .type = CONFIG_STRING, .offset = IN(settings_folder, unit), .max = 200, .fallback = "\"\"",
     .help = "The unit (处室, 执法机构) that all files here belong to, if one."},
    {.path = "folders[].officer", .type = CONFIG_STRING, .offset = IN(settings_folder, officer), .max = 200,
     .fallback = "\"\"", .help = "The officer that all files here belong to, if one."},
    {.path = "folders[].timezone", .type = CONFIG_ZONE, .offset = IN(settings_folder, timezone), .min = 0, .max = 64,
     .fallback = "\"\"", .help = "Time zone of the cameras that deliver here. Empty: site.timezone."},
    {.path = "folders[].after", .type = CONFIG_ENUM, .offset = IN(settings_folder, after), .names = settings_after_names,
     .fallback = "remove",
     .help = "What happens to a file once it is sealed and has its receipt: remove it, move it to done/, or keep it."},
    {.path = "folders[].settle", .type = CONFIG_DURATION, .offset = IN(settings_folder, settle_usec),
     .min = 0, .max = USEC_PER_HOUR, .fallback = "2 s",
     .help = "How long a file must not change before it is taken, where the system cannot say that nobody writes it."},
    {.path = "folders[].quiet", .type = CONFIG_DURATION, .offset = IN(settings_folder, quiet_usec), .min = 0,
     .max = USEC_PER_DAY, .fallback = "0 s",
     .help = "How long a file must not change before it is taken, also when nobody has it open: time for a client to go on\n"
             "with an upload that broke off. 1 min is right for FTP and SFTP; 0 s where nothing is resumed."},
    {.path = "folders[].per_device", .type = CONFIG_BOOL, .offset = IN(settings_folder, per_device), .fallback = "false",
     .help = "Each folder directly below this one belongs to the device with that serial number (FTP, SFTP, SMB)."},
    {.path = "folders[].complete", .type = CONFIG_STRING, .offset = IN(settings_folder, complete), .max = 100,
     .fallback = "\"\"", .check = check_suffix,
     .help = "Sentinel that says a file is whole. A suffix such as .done: clip.mp4 waits for clip.mp4.done. A name such as\n"
             "COMPLETE: all files of a folder wait for that file. Empty: no sentinel."},
    {.path = "folders[].ignore", .type = CONFIG_STRINGS, .offset = IN(settings_folder, ignore), .max = 100,
     .fallback = "[\"*.part\", \"*.tmp\", \"*.filepart\", \"*.crdownload\", \".*\", \"~*\"]",
     .help = "Shell patterns of names that are never taken, matched against the last part of the path."},
    {.path = "folders[].recursive", .type = CONFIG_BOOL, .offset = IN(settings_folder, recursive), .fallback = "true",
     .help = "Take files in sub-folders too."},
    {.path = "folders[].sidecar", .type = CONFIG_STRING, .offset = IN(settings_folder, sidecar), .max = 30,
     .fallback = ".json", .check = check_suffix,
     .help = "Suffix of sidecar files that describe a recording (clip.mp4.json or clip.json). Empty: none."},
    {.path = "folders[].receipts", .type = CONFIG_BOOL, .offset = IN(settings_folder, receipts), .fallback = "false",
     .help = "Put the receipt (NAME.tlog-proof) into the folder beside the source."},

    {.path = "place", .type = CONFIG_LIST, LIST(place, n_place, settings_place), .max = 1000, .reloadable = true,
     .help = "Rules that read device, officer, unit, case and time from names and paths. All that match are used, in order;\n"
             "a fact already known with certainty is not replaced."},
    {.path = "place[].name", .type = CONFIG_STRING, .offset = IN(settings_place, name), .min = 1, .max = 100,
     .help = "Name of the rule; it is recorded as the source of what it finds."},
    {.path = "place[].match", .type = CONFIG_STRING, .offset = IN(settings_place, match), .min = 1, .max = 2000,
     .help = "PCRE2 pattern with named groups: device, officer, unit, case, and year, month, day, hour, minute, second,\n"
             "or start and end for a whole time. Use single quotes."},
    {.path = "place[].on", .type = CONFIG_ENUM, .offset = IN(settings_place, on), .names = on_names, .fallback = "name",
     .help = "Match against the file's name, against its path below the drop folder, or against each QR code that was held in\n"
             "front of the camera in the first seconds."},
    {.path = "place[].folder", .type = CONFIG_STRING, .offset = IN(settings_place, folder), .max = 100, .fallback = "\"\"",
     .help = "Name of the one drop folder that the rule is for. Empty: all."},
    {.path = "place[].device", .type = CONFIG_STRING, .offset = IN(settings_place, device), .max = 200, .fallback = "\"\"",
     .help = "Device of what matches, when the pattern has no such group."},
    {.path = "place[].officer", .type = CONFIG_STRING, .offset = IN(settings_place, officer), .max = 200,
     .fallback = "\"\"", .help = "Officer of what matches."},
    {.path = "place[].unit", .type = CONFIG_STRING, .offset = IN(settings_place, unit), .max = 200, .fallback = "\"\"",
     .help = "Unit of what matches."},
    {.path = "place[].case", .type = CONFIG_STRING, .offset = IN(settings_place, case_number), .max = 200,
     .fallback = "\"\"", .help = "Case number of what matches."},
    {.path = "place[].certainty", .type = CONFIG_ENUM, .offset = IN(settings_place, certainty), .names = certainty_names,
     .fallback = "probable", .help = "How sure the rule is: certain, or probable."},

    {.path = "people", .type = CONFIG_LIST, LIST(people, n_people, settings_person), .max = 10000, .reloadable = true,
     .help = "Who may act, by OS user name. The socket knows its callers; nobody needs a password here."},
    {.path = "people[].user", .type = CONFIG_STRING, .offset = IN(settings_person, user), .min = 1, .max = 64,
     .check = check_user, .help = "OS user name."},
    {.path = "people[].name", .type = CONFIG_STRING, .offset = IN(settings_person, name), .max = 200, .fallback = "\"\"",
     .help = "Name as people write it. Empty: the user name."},
    {.path = "people[].roles", .type = CONFIG_FLAGS, .offset = IN(settings_person, roles), .min = 1,
     .names = settings_role_names,
     .help = "officer (执法人员), records (档案管理员), legal (法制处: reads everything, changes nothing),\n"
             "administrator (系统管理员). One person may have several."},

    {.path = "policy", .type = CONFIG_STRING, .offset = AT(policy), .min = 1, .max = 1000,
     .fallback = "cn-health-enforcement", .reloadable = true, .check = check_policy_name,
     .help = "The retention policy in force: the name of a set in the policies folder, or an absolute path."},
    {.path = "policies", .type = CONFIG_PATH, .offset = AT(policies_given), .min = 0, .max = 3000, .fallback = "\"\"",
     .reloadable = true,
     .help = "Folder of policy sets (NAME.yaml). Empty: share/liuhen/policies of the installation, and the set\n"
             "cn-health-enforcement is then known without any file."},

    {.path = "media", .type = CONFIG_SECTION, .help = "Examining media in a locked process of its own."},
    {.path = "media.worker", .type = CONFIG_PATH, .offset = AT(media.worker_given), .min = 0, .max = 3000,
     .fallback = "\"\"", .reloadable = true, .help = "Path of liuhen-media. Empty: the one that came with this daemon."},
    {.path = "media.deadline", .type = CONFIG_DURATION, .offset = AT(media.deadline_usec), .min = USEC_PER_SEC,
     .max = USEC_PER_HOUR, .fallback = "60 s", .reloadable = true,
     .help = "How long the worker may take for one file; then the file counts as damaged (it is kept all the same)."},
    {.path = "media.memory", .type = CONFIG_SIZE, .offset = AT(media.memory_bytes), .min = 128 * MIB, .max = 64 * GIB,
     .fallback = "1536 MiB", .reloadable = true, .help = "How much memory the worker may use."},
    {.path = "media.nice", .type = CONFIG_INTEGER, .offset = AT(media.nice), .min = 0, .max = 19, .fallback = "19",
     .reloadable = true, .help = "Nice value of the worker, so that sealing goes first."},
    {.path = "media.copies_kept", .type = CONFIG_DURATION, .offset = AT(media.copies_kept_usec), .min = USEC_PER_MIN,
     .max = 3660 * USEC_PER_DAY, .fallback = "30 days", .reloadable = true,
     .help = "How long a copy that somebody asked for (released, redacted, for preservation) can be fetched. The ledger remembers it for good."},
    {.path = "media.derive", .type = CONFIG_SECTION,
     .help = "What is made of recordings so that they can be seen in a browser. It lies in cache/, is no evidence and can be made again."},
    {.path = "media.derive.enabled", .type = CONFIG_BOOL, .offset = AT(media.derive.enabled), .fallback = "true",
     .reloadable = true, .help = "Whether anything is made."},
    {.path = "media.derive.make", .type = CONFIG_FLAGS, .offset = AT(media.derive.make), .min = 1, .names = derive_names,
     .fallback = "[proxy, poster, sprite, peaks, trail, photo, pages]", .reloadable = true,
     .help = "Which: proxy (a clip that browsers play), poster (one picture), sprite (small pictures along the time), peaks (of the sound),\n"
             "trail (where it was, GPX), photo (smaller sizes), pages (of documents)."},
    {.path = "media.derive.height", .type = CONFIG_INTEGER, .offset = AT(media.derive.height), .min = 144, .max = 2160,
     .fallback = "720", .reloadable = true,
     .help = "Height of the proxy in pixels: 720, or 480 for slow machines and networks. Older ones are made anew when nothing else waits."},
    {.path = "media.derive.jobs", .type = CONFIG_INTEGER, .offset = AT(media.derive.jobs), .min = 1, .max = 16, .fallback = "1",
     .reloadable = true, .help = "How many recordings are worked on at once. One that somebody is waiting for comes on top of that."},
    {.path = "media.derive.threads", .type = CONFIG_INTEGER, .offset = AT(media.derive.threads), .min = 1, .max = 32,
     .fallback = "2", .reloadable = true, .help = "Threads of each."},
    {.path = "media.derive.hardware", .type = CONFIG_ENUM, .offset = AT(media.derive.hardware), .names = settings_hardware_names,
     .fallback = "none",
     .help = "Hardware that decodes, and encodes the proxy: none (software), vaapi, cuda or qsv. It needs a liuhen-media that was built with\n"
             "MEDIA_LINK=shared. It is tried when the daemon starts; what does not work, then or later, is done in software, and that is said\n"
             "(`liuhen status`, the log). Damage within pictures is seen by software only. Copies that leave the house are made in software."},
    {.path = "media.derive.device", .type = CONFIG_STRING, .offset = AT(media.derive.device), .max = 200, .fallback = "\"\"",
     .help = "Which device of that hardware, where there are several: /dev/dri/renderD129 for vaapi and qsv, 1 for cuda. Empty: the first."},
    {.path = "media.derive.cpu", .type = CONFIG_INTEGER, .offset = AT(media.derive.cpu_percent), .min = 0, .max = 10000,
     .fallback = "0", .reloadable = true,
     .help = "How much of the processors each may use, in percent of one of them. 0: as much as nobody else wants."},
    {.path = "media.derive.nice", .type = CONFIG_INTEGER, .offset = AT(media.derive.nice), .min = 0, .max = 19, .fallback = "19",
     .reloadable = true, .help = "Nice value, so that all other work goes first."},
    {.path = "media.derive.deadline", .type = CONFIG_DURATION, .offset = AT(media.derive.deadline_usec), .min = USEC_PER_SEC,
     .max = 366 * USEC_PER_DAY, .fallback = "10 min", .reloadable = true,
     .help = "How long it may take for one recording, beside what its length adds."},
    {.path = "media.derive.deadline_factor", .type = CONFIG_INTEGER, .offset = AT(media.derive.deadline_factor), .min = 0,
     .max = 1000, .fallback = "20", .reloadable = true,
     .help = "So many times its own length is added to that. Time for which it is paused does not count."},
    {.path = "media.derive.memory", .type = CONFIG_SIZE, .offset = AT(media.derive.memory_bytes), .min = 256 * MIB,
     .max = 256 * GIB, .fallback = "3 GiB", .reloadable = true, .help = "How much address space each may use."},
    {.path = "media.derive.load", .type = CONFIG_INTEGER, .offset = AT(media.derive.load_percent), .min = 0, .max = 100000,
     .fallback = "400", .reloadable = true,
     .help = "Pause while the machine's load (of the last minute) is above this, in percent of its processors. 0: never. What somebody\n"
             "waits for is made all the same."},
    {.path = "media.derive.hours", .type = CONFIG_STRING, .offset = AT(media.derive.hours), .max = 20, .fallback = "\"\"",
     .check = check_hours, .reloadable = true,
     .help = "Work only at these times of the day, such as 20:00-06:00 (site.timezone). Empty: always. What somebody waits for is made at\n"
             "once all the same."},

    {.path = "intake", .type = CONFIG_SECTION, .help = "Taking files in."},
    {.path = "intake.threads", .type = CONFIG_INTEGER, .offset = AT(intake.threads), .min = 1, .max = 64, .fallback = "2",
     .help = "Threads that read and hash; as many as there are processor cores is right."},
    {.path = "intake.batch", .type = CONFIG_INTEGER, .offset = AT(intake.batch), .min = 1, .max = 512,
     .fallback = "512", .reloadable = true, .help = "At most so many small files share one seal."},
    {.path = "intake.takes_gap", .type = CONFIG_DURATION, .offset = AT(intake.takes_gap_usec), .min = 0,
     .max = USEC_PER_HOUR, .fallback = "5 s", .reloadable = true,
     .help = "Recordings of one device no further apart than this are one take (连续段)."},

    {.path = "log", .type = CONFIG_SECTION, .help = "What is said while working."},
    {.path = "log.level", .type = CONFIG_ENUM, .offset = AT(log.level), .names = level_names, .base = LOG_LEVEL_ERROR,
     .fallback = "info", .reloadable = true, .help = "The least important events that are still written."},
};
/* clang-format on */

const struct config_table settings_table = {rows, ARRAY_SIZE(rows)};
