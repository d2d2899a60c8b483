/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rules between settings (see settings-table.h): a drop folder inside another would deliver each file twice, one inside the
 * archive would take in the archive itself, records name folders and people, so their names must be unique, and what is not encrypted
 * must not leave the machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/settings-table.h"

/* The node of list[i].key, or the nearest thing above it that stands in the file. */
static const struct yaml_node *node_of(const struct yaml_node *root, const char *list, size_t i,
                                       const char *key)
{
    const struct yaml_node *l = root ? yaml_get(root, list) : NULL;
    const struct yaml_node *item = l && i < l->n ? l->items[i] : l;
    const struct yaml_node *value = item ? yaml_get(item, key) : NULL;

    return value ? value : item;
}

/* Whether path is dir or lies below it. */
static bool is_within(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    if (strcmp(dir, "/") == 0)
        return true;
    return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

static void check_folders(const struct settings *s, const struct yaml_node *root, struct yaml_faults *faults)
{
    for (size_t i = 0; i < s->n_folders; i++) {
        const struct settings_folder *f = &s->folders[i];
        const struct yaml_node *path = node_of(root, "folders", i, "path");

        if (is_within(f->path, s->archive.path) || is_within(s->archive.path, f->path))
            yaml_fault(faults, path,
                       "folders[].path: %s and the archive %s lie in each other; keep them apart", f->path,
                       s->archive.path);
        for (size_t j = 0; j < i; j++) {
            const struct settings_folder *g = &s->folders[j];

            if (is_within(f->path, g->path) || is_within(g->path, f->path))
                yaml_fault(
                    faults, path,
                    "folders[].path: %s and %s lie in each other; each file must belong to one folder only",
                    f->path, g->path);
            if (strcmp(f->name, g->name) == 0)
                yaml_fault(faults, node_of(root, "folders", i, "name"),
                           "folders[].name: two folders are named '%s'; give one of them another name",
                           f->name);
        }
    }
}

static void check_places(const struct settings *s, const struct yaml_node *root, struct yaml_faults *faults)
{
    for (size_t i = 0; i < s->n_place; i++) {
        const struct settings_place *p = &s->place[i];
        bool found = !*p->folder;

        for (size_t j = 0; j < i; j++)
            if (strcmp(p->name, s->place[j].name) == 0)
                yaml_fault(faults, node_of(root, "place", i, "name"),
                           "place[].name: two rules are named '%s'; give one of them another name", p->name);
        for (size_t j = 0; j < s->n_folders && !found; j++)
            found = strcmp(p->folder, s->folders[j].name) == 0;
        if (!found)
            yaml_fault(faults, node_of(root, "place", i, "folder"),
                       "place[].folder: no drop folder is named '%s'; use the name of one in 'folders', or "
                       "leave it out",
                       p->folder);
        if (p->on == PLACE_ON_QR && p->certainty == PLACE_CERTAIN)
            yaml_fault(faults, node_of(root, "place", i, "certainty"),
                       "place[].certainty: a rule on QR codes cannot be certain, as anybody can hold one up; "
                       "leave it out");
    }
}

static void check_people(const struct settings *s, const struct yaml_node *root, struct yaml_faults *faults)
{
    for (size_t i = 0; i < s->n_people; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(s->people[i].user, s->people[j].user) == 0)
                yaml_fault(faults, node_of(root, "people", i, "user"),
                           "people[].user: '%s' stands twice; put all roles into one entry",
                           s->people[i].user);
}

/* Reads "address:port" ("[address]:port" for IPv6), both numbers. */
static int read_address(const char *text, bool *ret_loopback)
{
    const char *colon = strrchr(text, ':'), *from = text, *to = colon;
    size_t digits = colon ? strlen(colon + 1) : 0;
    char host[64];
    struct in_addr four;
    struct in6_addr six;
    bool bracketed = *text == '[';

    if (!colon || digits < 1 || digits > 5 || strspn(colon + 1, "0123456789") != digits ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return -EINVAL;
    if (bracketed && (to - from < 2 || *--to != ']'))
        return -EINVAL;
    from += bracketed;
    if ((size_t)(to - from) >= sizeof host)
        return -EINVAL;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    if (bracketed ? inet_pton(AF_INET6, host, &six) != 1 : inet_pton(AF_INET, host, &four) != 1)
        return -EINVAL;
    *ret_loopback = !bracketed ? ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET
                               : IN6_IS_ADDR_LOOPBACK(&six) ||
                                     (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == IN_LOOPBACKNET);
    return 0;
}

/* Names that the server's certificate could not carry, and origins that no browser sends: both would be met by silence. */
static void check_http_names(const struct settings *s, const struct yaml_node *http,
                             struct yaml_faults *faults)
{
    const struct yaml_node *names = http ? yaml_get(http, "names") : NULL;
    const struct yaml_node *origins = http ? yaml_get(http, "origins") : NULL;
    struct in6_addr six;

    for (size_t i = 0; i < s->http.names.n; i++) {
        const char *name = s->http.names.items[i];

        if (strpbrk(name, "/@[] \t") || (strchr(name, ':') && inet_pton(AF_INET6, name, &six) != 1))
            yaml_fault(faults, names,
                       "http.names: '%s' is no host name or address; write for example footage.example.cn or "
                       "192.0.2.7, without https:// and port",
                       name);
    }
    for (size_t i = 0; i < s->http.origins.n; i++) {
        const char *origin = s->http.origins.items[i], *host = strstr(origin, "://");

        if (strcmp(origin, "*") != 0 && (!host || host == origin || !host[3] || strpbrk(host + 3, "/ ")))
            yaml_fault(
                faults, origins,
                "http.origins: '%s' is no origin; write for example https://page.example.cn, or * for all",
                origin);
    }
}

static void check_http(const struct settings *s, const struct yaml_node *root, struct yaml_faults *faults)
{
    const struct yaml_node *http = root ? yaml_get(root, "http") : NULL;
    const struct yaml_node *loopback = http ? yaml_get(http, "loopback") : NULL;
    bool stays = true;

    if (*s->http.loopback && read_address(s->http.loopback, &stays) < 0)
        yaml_fault(faults, loopback,
                   "http.loopback: '%s' is not an address and a port; write for example 127.0.0.1:8480",
                   s->http.loopback);
    if (!stays)
        yaml_fault(
            faults, loopback,
            "http.loopback: %s is reached from other machines, and what is sent there is not encrypted; "
            "use 127.0.0.1 or [::1], and http.tls for the network",
            s->http.loopback);
    if (*s->http.tls && read_address(s->http.tls, &stays) < 0)
        yaml_fault(faults, http ? yaml_get(http, "tls") : NULL,
                   "http.tls: '%s' is not an address and a port; write for example [::]:8443", s->http.tls);
    check_http_names(s, http, faults);
    /* on the command line they come one after the other */
    if (http && !*s->http.certificate != !*s->http.key)
        yaml_fault(
            faults, yaml_get(http, *s->http.key ? "key" : "certificate"),
            "http.%s: is given without http.%s; give both, or none to let the site's own authority make them",
            *s->http.key ? "key" : "certificate", *s->http.key ? "certificate" : "key");
}

void settings_check(const struct settings *s, const struct yaml_node *root, struct yaml_faults *faults)
{
    size_t socket_max = sizeof((struct sockaddr_un *)0)->sun_path - 1;

    if (strlen(s->socket.path) > socket_max)
        yaml_fault(faults, root ? yaml_get(root, "socket") : NULL,
                   "socket.path: %s is too long for a socket (%zu bytes at most); set a shorter one",
                   s->socket.path, socket_max);
    check_http(s, root, faults);
    check_folders(s, root, faults);
    check_places(s, root, faults);
    check_people(s, root, faults);
}
