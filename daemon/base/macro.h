/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cleanup attributes and ownership macros used by every module. A variable marked _cleanup_(f) is handed to f when it
 * leaves scope; TAKE_PTR/TAKE_FD move a value out so that the cleanup finds nothing. Destructors take NULL.
 */
#ifndef LIUHEN_BASE_MACRO_H
#define LIUHEN_BASE_MACRO_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _packed_       __attribute__((packed))
#define _must_check_   __attribute__((warn_unused_result))
#define _unused_       __attribute__((unused))
#define _noreturn_     __attribute__((noreturn))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#define USEC_PER_MSEC INT64_C(1000)
#define USEC_PER_SEC  INT64_C(1000000)
#define USEC_PER_MIN  (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (3600 * USEC_PER_SEC)
#define USEC_PER_DAY  (24 * USEC_PER_HOUR)
#define NSEC_PER_USEC INT64_C(1000)

#define TAKE_PTR(p)                                                                                          \
    ({                                                                                                       \
        __typeof__(p) *_pp = &(p);                                                                           \
        __typeof__(p) _v = *_pp;                                                                             \
        *_pp = NULL;                                                                                         \
        _v;                                                                                                  \
    })

#define TAKE_FD(fd)                                                                                          \
    ({                                                                                                       \
        int *_fp = &(fd);                                                                                    \
        int _v = *_fp;                                                                                       \
        *_fp = -1;                                                                                           \
        _v;                                                                                                  \
    })

/* Defines NAME##p(type *p), a cleanup function that calls func on a non-NULL pointer variable. */
#define DEFINE_CLEANUP(type, func)                                                                           \
    static inline _unused_ void func##p(type *p)                                                             \
    {                                                                                                        \
        if (*p)                                                                                              \
            func(*p);                                                                                        \
    }

static inline _unused_ void freep(void *p)
{
    free(*(void **)p);
}

#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(fd_closep)
#define _cleanup_file_  _cleanup_(fclosep)
#define _cleanup_dir_   _cleanup_(closedirp)

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

/* Closes *fd if it is open, keeping errno, and sets it to -1. In fd.c. */
void fd_closep(int *fd);

#endif
