/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of dock.yaml (see dock-config.h).
 */
#include "cli/dock-config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "cli/transfer.h"

#define AT(field)       offsetof(struct dock_config, field)
#define IN(item, field) offsetof(struct item, field)
#define MIB             (INT64_C(1) << 20)
#define FILE_MAX        (256u * 1024)

static const char *check_server(const char *value)
{
    return transfer_check_server(value);
}

static const char *check_inside(const char *value)
{
    bool outside = value[0] == '/' || strcmp(value, "..") == 0 || strncmp(value, "../", 3) == 0 ||
                   strstr(value, "/../") ||
                   (strlen(value) > 2 && strcmp(value + strlen(value) - 3, "/..") == 0);

    return outside ? "write a path below the card's own top folder, such as DCIM" : NULL;
}

/* clang-format off */
static const struct config_row rows[] = {
    {.path = "server", .type = CONFIG_STRING, .offset = AT(server), .min = 1, .max = 300, .check = check_server,
     .fallback = "/run/liuhen/liuhen.sock",
     .help = "Where the site is: https://records.example.cn:8443, or the path of the daemon's socket on this machine."},
    {.path = "token_file", .type = CONFIG_PATH, .offset = AT(token_file), .min = 0, .max = 3000, .fallback = "\"\"",
     .help = "File with this station's token (`liuhen device token`), readable by root only."},
    {.path = "certificate", .type = CONFIG_PATH, .offset = AT(certificate), .min = 0, .max = 3000, .fallback = "\"\"",
     .help = "This station's certificate instead of a token: PEM, or the .p12 that `liuhen device enrol` has made."},
    {.path = "key", .type = CONFIG_PATH, .offset = AT(key), .min = 0, .max = 3000, .fallback = "\"\"",
     .help = "The certificate's private key (PEM). Empty: it is in the same file."},
    {.path = "password_file", .type = CONFIG_PATH, .offset = AT(password_file), .min = 0, .max = 3000, .fallback = "\"\"",
     .help = "File with the password of the key or .p12, if it has one."},
    {.path = "ca", .type = CONFIG_PATH, .offset = AT(ca), .min = 0, .max = 3000, .fallback = "\"\"",
     .help = "Who signs the server's certificate (PEM). Empty: the authorities that this machine trusts."},
    {.path = "key_file", .type = CONFIG_PATH, .offset = AT(key_file), .min = 0, .max = 3000, .fallback = "\"\"",
     .help = "The site's public key, which receipts are verified with (`liuhen key`). Empty: the key that the server names at the\n"
             "first use is kept in the state folder, and any other one is refused from then on."},
    {.path = "state", .type = CONFIG_PATH, .offset = AT(state), .min = 1, .max = 3000, .fallback = "/var/lib/liuhen-dock",
     .help = "Folder for what must be remembered: uploads under way, receipts, what was wiped."},
    {.path = "jobs", .type = CONFIG_INTEGER, .offset = AT(jobs), .min = 1, .max = 32, .fallback = "4",
     .help = "So many files are sent at the same time."},
    {.path = "chunk", .type = CONFIG_SIZE, .offset = AT(chunk_bytes), .min = 64 * 1024, .max = 1024 * MIB, .fallback = "8 MiB",
     .help = "A file is sent in pieces of this size, each with its checksum; each job holds one in memory."},
    {.path = "wipe", .type = CONFIG_BOOL, .offset = AT(wipe), .fallback = "false",
     .help = "Remove files from the card once they are sealed and their receipts verified. The site must allow it too\n"
             "(devices.wipe in its retention.yaml)."},

    {.path = "card", .type = CONFIG_SECTION, .help = "What a card looks like."},
    {.path = "card.folder", .type = CONFIG_STRING, .offset = AT(card.folder), .max = 300, .fallback = "DCIM", .check = check_inside,
     .help = "A device that is plugged in is a camera's card when it has this folder; all else is left alone. Everything on a card\n"
             "is sent, not this folder only. Empty: every device is."},
    {.path = "card.filesystems", .type = CONFIG_STRINGS, .offset = AT(card.filesystems), .max = 10,
     .fallback = "[vfat, exfat]", .help = "File systems that are mounted."},
    {.path = "card.ignore", .type = CONFIG_STRINGS, .offset = AT(card.ignore), .max = 100,
     .fallback = "[\".*\", \"*.tmp\", \"*.part\", \"Thumbs.db\", \"desktop.ini\", \"System Volume Information\", \"LOST.DIR\"]",
     .help = "Shell patterns of names that are neither sent nor wiped, files and folders, matched against the last part of the path\n"
             "without regard to case."},
    {.path = "card.serial_file", .type = CONFIG_STRING, .offset = AT(card.serial_file), .max = 300, .fallback = "\"\"",
     .check = check_inside,
     .help = "A file on the card whose first line is the camera's serial number. Empty, or not there: the USB serial number."},
    {.path = "card.clock_file", .type = CONFIG_STRING, .offset = AT(card.clock_file), .max = 300, .fallback = "\"\"",
     .check = check_inside,
     .help = "Shell pattern over the path on the card of a file that the camera writes whenever it is plugged in, such as LOG/*.TXT:\n"
             "its time tells how far the camera's clock is off. Empty: only a clock that runs ahead is noticed, by files of the future."},
    {.path = "card.timezone", .type = CONFIG_ZONE, .offset = AT(card.timezone), .min = 0, .max = 64, .fallback = "\"\"",
     .help = "Time zone of the cameras' clocks: such cards hold local times. Empty: the site's."},

    {.path = "cameras", .type = CONFIG_LIST, .offset = AT(cameras), .count_offset = AT(n_cameras),
     .item_size = sizeof(struct dock_camera), .max = 10000, .help = "Cameras that need more than their serial number."},
    {.path = "cameras[].serial", .type = CONFIG_STRING, .offset = IN(dock_camera, serial), .min = 1, .max = 200,
     .help = "The serial number as the camera says it."},
    {.path = "cameras[].device", .type = CONFIG_STRING, .offset = IN(dock_camera, device), .max = 200, .fallback = "\"\"",
     .help = "The serial number under which the site knows it. Empty: the same."},
    {.path = "cameras[].timezone", .type = CONFIG_ZONE, .offset = IN(dock_camera, timezone), .min = 0, .max = 64,
     .fallback = "\"\"", .help = "Time zone of its clock. Empty: card.timezone."},
};
/* clang-format on */
static const struct config_table table = {rows, ARRAY_SIZE(rows)};

struct dock_config *dock_config_free(struct dock_config *c)
{
    if (!c)
        return NULL;
    config_done(&table, c);
    free(c);
    return NULL;
}

/* Return: 0 with an empty text where the file may be missing and is. */
static int read_text(const char *path, struct yaml_faults *faults, char **ret, size_t *ret_size)
{
    int r = fd_read_file_at(AT_FDCWD, path ? path : DOCK_CONFIG_FILE, FILE_MAX, ret, ret_size);

    if (r == -ENOENT && !path) {
        *ret = strdup("");
        *ret_size = 0;
        return *ret ? 0 : -ENOMEM;
    }
    if (r < 0 && r != -ENOMEM)
        yaml_fault(faults, NULL, "cannot be read: %s", strerror(-r));
    return r;
}

int dock_config_load(const char *path, config_on_fault on_fault, void *userdata, struct dock_config **ret)
{
    struct yaml_faults faults = {path ? path : DOCK_CONFIG_FILE, on_fault, userdata, 0, false};
    _cleanup_(dock_config_freep) struct dock_config *c = calloc(1, sizeof *c);
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = c ? config_defaults(&table, c, &faults) : -ENOMEM;

    r = r < 0 ? r : read_text(path, &faults, &text, &size);
    r = r < 0 ? r : yaml_parse(text, size, FILE_MAX, &faults, &root);
    if (r < 0)
        return r;
    config_apply(&table, root, c, &faults);
    r = yaml_faults_result(&faults);
    if (r == 0)
        *ret = TAKE_PTR(c);
    return r;
}

int dock_config_set(struct dock_config *c, const char *key, const char *value, struct error *err)
{
    return config_set(&table, c, key, value, err);
}

const struct dock_camera *dock_config_camera(const struct dock_config *c, const char *serial)
{
    for (size_t i = 0; i < c->n_cameras; i++)
        if (strcmp(c->cameras[i].serial, serial) == 0)
            return &c->cameras[i];
    return NULL;
}

int dock_config_dump(const struct dock_config *c, FILE *out)
{
    return config_dump(&table, c, out);
}
