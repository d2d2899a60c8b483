/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The settings of a docking station: /etc/liuhen/dock.yaml, a table of keys as retention.yaml has one. What the command line says goes
 * over what the file says.
 */
#ifndef LIUHEN_CLI_DOCK_CONFIG_H
#define LIUHEN_CLI_DOCK_CONFIG_H

#include "base/config.h"

#define DOCK_CONFIG_FILE "/etc/liuhen/dock.yaml"

/* A camera that is to be called otherwise than it calls itself, or whose clock runs in another zone. */
struct dock_camera {
    char *serial;   /* as udev or the file on the card says it */
    char *device;   /* serial under which the site knows it; "" = the same */
    char *timezone; /* of its clock; "" = the station's setting */
};

struct dock_config {
    char *server;
    char *token_file;
    char *certificate, *key, *password_file, *ca;
    char *key_file; /* the site's verifier key; "" = pinned at first use */
    char *state;
    int64_t jobs;
    uint64_t chunk_bytes;
    bool wipe;
    struct {
        char *folder;                      /* a device is a card only where it has this; "" = any */
        struct config_strings filesystems; /* that are mounted */
        struct config_strings ignore;      /* shell patterns over the last name component */
        char *serial_file;                 /* on the card; "" = none */
        char *clock_file;                  /* shell pattern over the path on the card; "" = none */
        char *timezone;                    /* of cameras' clocks; "" = the site's */
    } card;
    struct dock_camera *cameras;
    size_t n_cameras;
};

/* Reads the file (NULL: DOCK_CONFIG_FILE, which need not be there). Faults go to on_fault with object "file:line:column".
 * Return: 0, -EINVAL (faults were reported), -ENOENT, -EACCES … (reported), -ENOMEM. */
int dock_config_load(const char *path, config_on_fault on_fault, void *userdata, struct dock_config **ret);
struct dock_config *dock_config_free(struct dock_config *c);
DEFINE_CLEANUP(struct dock_config *, dock_config_free)

/* Sets one scalar key as the file would ("jobs", "8"). Return: 0, -EINVAL (err says what would be right), -ENOMEM. */
int dock_config_set(struct dock_config *c, const char *key, const char *value, struct error *err);

/* The row for a camera; NULL = none. */
const struct dock_camera *dock_config_camera(const struct dock_config *c, const char *serial);

/* The file with every key, its value in force and its help. Return: 0 or negative errno. */
int dock_config_dump(const struct dock_config *c, FILE *out);

#endif
