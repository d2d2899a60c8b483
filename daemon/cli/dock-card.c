/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cards: opening and mounting, who they belong to, and their times (see dock-card.h).
 */
#include "cli/dock-card.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"

#define SERIAL_MAX   200
#define BOOT_BYTES   512
#define FUTURE_USEC  (3 * USEC_PER_SEC) /* FAT counts time in two seconds */
#define LOCKED_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

void dock_card_done(struct dock_card *c)
{
    fd_closep(&c->fd);
    fd_closep(&c->mount);
    free(c->source);
    free(c->serial);
    free(c->device);
    free(c->id);
    zone_free(c->zone);
    *c = (struct dock_card)DOCK_CARD_INIT;
}

/* ---- mounting ------------------------------------------------------------------------------------------------------------ */

/* Names that are UTF-8, and times as the camera wrote them. Options that a kernel does not know are left out: the card can be read
 * all the same. */
static void set_options(int fs, const char *type, const struct zone *zone)
{
    char minutes[16];

    if (strcmp(type, "vfat") == 0) {
        (void)fsconfig(fs, FSCONFIG_SET_STRING, "utf8", "1", 0);
        (void)fsconfig(fs, FSCONFIG_SET_STRING, "tz", "UTC",
                       0); /* wall clock as if it were UTC: dock_card_usec knows */
    } else if (strcmp(type, "exfat") == 0 && zone) {
        /* for files whose entry does not say its own zone */
        snprintf(minutes, sizeof minutes, "%d", calendar_offset_minutes(zone, clock_now_usec()));
        (void)fsconfig(fs, FSCONFIG_SET_STRING, "time_offset", minutes, 0);
    }
}

/* *ret_mount: what keeps it mounted. Return: fd of its top folder, or negative errno. */
static int mount_as(int *ret_mount, const char *device, const char *type, const struct zone *zone)
{
    _cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC), mount = -1;
    int fd;

    if (fs < 0)
        return -errno;
    if (fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
        return -errno;
    set_options(fs, type, zone);
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    mount = fsmount(fs, FSMOUNT_CLOEXEC, LOCKED_ATTRS | MOUNT_ATTR_RDONLY);
    if (mount < 0)
        return -errno;
    /* what fsmount gives is a path only: nothing can be read through it */
    fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_mount = TAKE_FD(mount);
    return fd;
}

static int mount_fault(int r, const char *device, const struct dock_config *config, struct error *err)
{
    char types[200] = "";

    for (size_t i = 0; i < config->card.filesystems.n; i++)
        snprintf(types + strlen(types), sizeof types - strlen(types), "%s%s", i ? ", " : "",
                 config->card.filesystems.items[i]);
    switch (r) {
    case -EPERM:
    case -EACCES:
        return error_set(err, -EPERM, device,
                         "mounting a device takes root; mount it yourself and give its folder");
    case -EBUSY:
        return error_set(
            err, -EBUSY, device,
            "somebody has mounted it for writing already; unmount it, or give its folder instead");
    case -ENOMEDIUM:
    case -ENXIO:
    case -EIO:
    case -ENODEV:
        return error_set(err, r == -ENODEV ? -EMEDIUMTYPE : -ENODEV, device,
                         r == -ENODEV ? "this kernel has none of the file systems of card.filesystems (%s)"
                                      : "it cannot be read; is the card plugged in? (looking for %s)",
                         types);
    default:
        return error_set(err, -EMEDIUMTYPE, device,
                         "there is none of the file systems of card.filesystems on it (%s)", types);
    }
}

static int mount_device(struct dock_card *c, const struct dock_config *config, struct error *err)
{
    int fd = -EMEDIUMTYPE, first = 0;

    for (size_t i = 0; fd < 0 && i < config->card.filesystems.n; i++) {
        const char *type = config->card.filesystems.items[i];
        fd = mount_as(&c->mount, c->source, type, c->zone);
        c->wall = fd >= 0 && strcmp(type, "vfat") == 0;
        if (fd < 0 && fd != -ENODEV && fd != -EINVAL)
            first = first ? first : fd; /* says more than "not this file system" */
        if (fd == -ENODEV && i + 1 == config->card.filesystems.n && i > 0)
            fd = -EINVAL; /* others are known */
    }
    if (fd < 0)
        return mount_fault(first ? first : fd, c->source, config, err);
    c->fd = fd;
    return 0;
}

int dock_card_writable(const struct dock_card *c, bool writable, struct error *err)
{
    struct mount_attr attr = {.attr_set = writable ? 0 : MOUNT_ATTR_RDONLY,
                              .attr_clr = writable ? MOUNT_ATTR_RDONLY : 0};
    _cleanup_close_ int fs = -1;

    if (c->mount < 0)
        return 0;
    if (!writable && fd_syncfs(c->fd) < 0)
        return error_errno(err, -EIO, c->source, "what was removed cannot be made lasting on the card");
    if (!writable && mount_setattr(c->mount, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return error_errno(err, -errno, c->source, "it cannot be made read-only again");
    fs = fspick(c->mount, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, writable ? "rw" : "ro", NULL, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ||
        (writable && mount_setattr(c->mount, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0))
        return error_errno(err, -errno, c->source,
                           writable ? "it cannot be made writable (is its lock switch on?)"
                                    : "it cannot be made read-only again");
    return 0;
}

/* ---- whose it is --------------------------------------------------------------------------------------------------------- */

/* A text without what does not belong into a serial number: the first line, trimmed. */
static char *clean_serial(char *text)
{
    size_t n;

    text[strcspn(text, "\r\n")] = '\0';
    text += strspn(text, " \t");
    n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        text[--n] = '\0';
    if (n > SERIAL_MAX)
        return strdup("");
    return encode_percent(text, n);
}

static int read_line(int dirfd, const char *path, char **ret)
{
    char buffer[SERIAL_MAX + 2] = "";
    _cleanup_close_ int fd = dirfd == AT_FDCWD
                                 ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
                                 : fd_open_beneath(dirfd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    ssize_t n = fd < 0 ? fd : fd_read_full(fd, buffer, sizeof buffer - 1);

    if (n < 0)
        return (int)n;
    buffer[n] = '\0';
    *ret = clean_serial(buffer);
    return !*ret ? -ENOMEM : **ret ? 0 : -ENOENT;
}

/* The serial number of the USB device that a block device is part of: sysfs, from the device upwards. */
static int usb_serial(dev_t device, char **ret)
{
    char path[PATH_MAX], link[64], name[PATH_MAX + 16];

    snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(device), minor(device));
    if (!realpath(link, path))
        return -ENOENT;
    for (char *slash = strrchr(path, '/'); slash && slash != path; slash = strrchr(path, '/')) {
        snprintf(name, sizeof name, "%s/idVendor", path);
        if (access(name, F_OK) == 0) {
            snprintf(name, sizeof name, "%s/serial", path);
            return read_line(AT_FDCWD, name, ret);
        }
        *slash = '\0';
    }
    return -ENOENT;
}

/* "FAT-1A2B3C4D": the number that formatting gave to the volume (boot sectors of FAT12/16, FAT32 and exFAT); "" where there is none. */
static void volume_id(const char *device, char out[32])
{
    uint8_t boot[BOOT_BYTES];
    _cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t at = 0;

    out[0] = '\0';
    if (fd < 0 || fd_pread_full(fd, boot, sizeof boot, 0) != sizeof boot)
        return;
    if (memcmp(boot + 3, "EXFAT   ", 8) == 0)
        at = 100;
    else if (memcmp(boot + 82, "FAT32", 5) == 0)
        at = 67;
    else if (memcmp(boot + 54, "FAT1", 4) == 0)
        at = 39;
    if (at)
        snprintf(out, 32, "FAT-%02X%02X%02X%02X", boot[at + 3], boot[at + 2], boot[at + 1], boot[at]);
}

/* From the file on the card, the environment (udev's words), or the USB device, in this order. "" = not known. */
static int find_serial(struct dock_card *c, const char *given, dev_t device, const struct dock_config *config)
{
    const char *said = getenv("ID_SERIAL_SHORT");
    int r = -ENOENT;

    if (given) {
        c->serial = strdup(given);
        return c->serial ? 0 : -ENOMEM;
    }
    if (*config->card.serial_file)
        r = read_line(c->fd, config->card.serial_file, &c->serial);
    if (r < 0 && r != -ENOMEM && said && *said) {
        _cleanup_free_ char *copy = strdup(said);
        freep(&c->serial);
        c->serial = copy ? clean_serial(copy) : NULL;
        r = c->serial ? 0 : -ENOMEM;
    }
    if (r < 0 && r != -ENOMEM && device) {
        freep(&c->serial);
        c->serial = NULL;
        r = usb_serial(device, &c->serial);
    }
    if (r < 0 && r != -ENOMEM) {
        freep(&c->serial);
        c->serial = strdup("");
        r = c->serial ? 0 : -ENOMEM;
    }
    return r;
}

static int set_zone(struct dock_card *c, const char *name)
{
    c->zone = zone_free(c->zone);
    return name && *name ? zone_new(name, &c->zone) : 0;
}

static int identify(struct dock_card *c, const char *given, const char *zone, dev_t device,
                    const struct dock_config *config)
{
    const struct dock_camera *camera;
    char volume[32] = "", real[PATH_MAX];
    int r = find_serial(c, given, device, config);

    if (r < 0)
        return r;
    camera = dock_config_camera(config, c->serial);
    c->device = strdup(camera && *camera->device ? camera->device : c->serial);
    if (!c->device)
        return -ENOMEM;
    if (device)
        volume_id(c->source, volume);
    if (*volume || (device && *c->serial))
        r = asprintf(&c->id, "card %s %s", c->serial, volume);
    else
        r = asprintf(&c->id, "folder %s %s", c->serial, realpath(c->source, real) ? real : c->source);
    if (r < 0)
        return -ENOMEM;
    r = set_zone(c, camera && *camera->timezone ? camera->timezone
                    : *config->card.timezone    ? config->card.timezone
                                                : zone);
    return r == -EINVAL ? 0 : r; /* the server names a zone that this machine does not know: UTC then */
}

/* Whether it is a camera's card at all: asked of devices only, a folder was named by somebody. */
static int check_folder(const struct dock_card *c, const struct dock_config *config, struct error *err)
{
    struct stat st;

    if (!*config->card.folder || fstatat(c->fd, config->card.folder, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno == ENOENT || errno == ENOTDIR)
        return error_set(err, -EMEDIUMTYPE, c->source,
                         "it is no camera's card: it has no folder %s (card.folder)", config->card.folder);
    return error_errno(err, -errno, c->source, "it cannot be read");
}

static int open_source(struct dock_card *c, dev_t *ret_device, const char *zone,
                       const struct dock_config *config, struct error *err)
{
    struct stat st;
    int r;

    if (stat(c->source, &st) < 0)
        return error_errno(err, -errno, c->source, "there is no such folder or device");
    if (S_ISBLK(st.st_mode)) {
        *ret_device = st.st_rdev;
        r = set_zone(c, *config->card.timezone ? config->card.timezone : zone);
        if (r == -ENOMEM)
            return r;
        r = mount_device(c, config, err);
        return r < 0 ? r : check_folder(c, config, err);
    }
    if (!S_ISDIR(st.st_mode))
        return error_set(err, -ENOTDIR, c->source, "is neither a folder nor a device");
    c->fd = open(c->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return c->fd < 0 ? error_errno(err, -errno, c->source, "cannot be opened") : 0;
}

int dock_card_open(const char *source, const char *serial, const char *zone, const struct dock_config *config,
                   struct dock_card *ret, struct error *err)
{
    _cleanup_(dock_card_done) struct dock_card c = DOCK_CARD_INIT;
    dev_t device = 0;
    int r = (c.source = strdup(source)) ? open_source(&c, &device, zone, config, err) : -ENOMEM;

    r = r < 0 ? r : identify(&c, serial, zone, device, config);
    if (r < 0)
        return r;
    *ret = c;
    c = (struct dock_card)DOCK_CARD_INIT;
    return 0;
}

/* ---- times --------------------------------------------------------------------------------------------------------------- */

int64_t dock_card_usec(const struct dock_card *c, int64_t nsec)
{
    int64_t usec = nsec / NSEC_PER_USEC, instant;
    _cleanup_(zone_freep) struct zone *utc = NULL;
    struct civil wall;

    if (!c->wall || !c->zone || zone_new("UTC", &utc) < 0)
        return usec;
    civil_from_usec(utc, usec, &wall);
    return civil_to_usec(c->zone, &wall, &instant) < 0 ? usec : instant;
}

struct dock_clock dock_clock_measure(const struct dock_clock_facts *f)
{
    struct dock_clock none = {DOCK_CLOCK_UNKNOWN, 0};

    if (f->file_usec != INT64_MIN && f->before_usec != INT64_MIN && f->file_usec != f->before_usec)
        return (struct dock_clock){DOCK_CLOCK_FILE, f->file_usec - f->plug_usec};
    if (f->newest_usec != INT64_MIN && f->newest_usec > f->now_usec + FUTURE_USEC)
        return (struct dock_clock){DOCK_CLOCK_FUTURE, f->newest_usec - f->now_usec};
    return none;
}

bool dock_is_clock_file(const struct dock_config *config, const char *path)
{
    return *config->card.clock_file &&
           fnmatch(config->card.clock_file, path, FNM_PATHNAME | FNM_CASEFOLD) == 0;
}

const char *dock_clock_name(enum dock_clock_how how)
{
    static const char *const names[] = {"", "plug-in-file", "future-file"};

    return names[how];
}
