/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sessions of those that sign in once and then show a text with each request (Swift's X-Auth-Token). The token behind a session is
 * kept in memory only and looked up anew each time, so that revoking it ends its sessions at once.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "base/encode.h"
#include "doors/doors-internal.h"

#define SESSIONS_MAX 1024
#define DEVICE_MAX   32        /* of one device: who signs in over and over ends its own sessions only */
#define PREFIX       "AUTH_tk" /* as Swift's own begin */
#define RANDOM_BYTES 32

struct session {
    char text[DOORS_SESSION_SIZE]; /* "" = a free place */
    int64_t until_usec;
    char *serial, *token;
};

struct sessions {
    pthread_mutex_t lock;
    struct session list[SESSIONS_MAX];
};

int sessions_new(struct sessions **ret)
{
    struct sessions *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

static void forget(struct session *s)
{
    if (s->token)
        explicit_bzero(s->token, strlen(s->token));
    free(s->token);
    free(s->serial);
    *s = (struct session){.text = ""};
}

struct sessions *sessions_free(struct sessions *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        forget(&s->list[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return NULL;
}

/* The device's first where it has many, a free place, else that of the one that ends first. */
static struct session *make_room(struct sessions *s, const char *serial, int64_t now_usec)
{
    struct session *first = &s->list[0], *own = NULL;
    size_t n = 0;

    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *x = &s->list[i];

        if (x->until_usec <= now_usec)
            forget(x);
        if (x->until_usec < first->until_usec)
            first = x;
        if (!x->serial || strcmp(x->serial, serial) != 0)
            continue;
        n++;
        if (!own || x->until_usec < own->until_usec)
            own = x;
    }
    if (n >= DEVICE_MAX)
        first = own;
    forget(first);
    return first;
}

int sessions_open(struct sessions *s, const char *serial, const char *token, int64_t now_usec,
                  int64_t lifetime_usec, char ret[DOORS_SESSION_SIZE])
{
    _cleanup_free_ char *own_serial = strdup(serial), *own_token = strdup(token);
    uint8_t random[RANDOM_BYTES];
    struct session *place;

    if (!own_serial || !own_token)
        return -ENOMEM;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -EIO;
    strcpy(ret, PREFIX);
    encode_hex(random, sizeof random, ret + strlen(PREFIX));
    pthread_mutex_lock(&s->lock);
    place = make_room(s, serial, now_usec);
    snprintf(place->text, sizeof place->text, "%s", ret); /* and zeros behind it: the place was cleared */
    place->until_usec = now_usec + lifetime_usec;
    place->serial = TAKE_PTR(own_serial);
    place->token = TAKE_PTR(own_token);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* In a time that does not tell where two texts differ. */
static bool equal(const char *a, const char *b)
{
    unsigned different = 0;

    for (size_t i = 0; i < DOORS_SESSION_SIZE; i++)
        different |= (unsigned char)a[i] ^ (unsigned char)b[i];
    return different == 0;
}

int sessions_find(struct sessions *s, const char *session, int64_t now_usec, char **ret_serial,
                  char **ret_token)
{
    char text[DOORS_SESSION_SIZE] = "";
    int r = -ENOENT;

    if (!session_is_formed(session))
        return r;
    memcpy(text, session, strlen(session));
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < SESSIONS_MAX && r == -ENOENT; i++) {
        if (!*s->list[i].text || s->list[i].until_usec <= now_usec || !equal(s->list[i].text, text))
            continue;
        *ret_serial = strdup(s->list[i].serial);
        *ret_token = strdup(s->list[i].token);
        r = *ret_serial && *ret_token ? 0 : -ENOMEM;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

bool session_is_formed(const char *text)
{
    size_t n = strlen(PREFIX);

    return strncmp(text, PREFIX, n) == 0 && strlen(text) == n + 2 * RANDOM_BYTES &&
           strspn(text + n, "0123456789abcdef") == 2 * RANDOM_BYTES;
}
