/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Injected stops and failures: their plan is read once a process, so a test that tries one runs its own program anew.
 */
#ifndef LIUHEN_TESTS_CHILD_H
#define LIUHEN_TESTS_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"

/* This program with one variable set; arguments begin with its name and end with NULL. Return: its status as of wait(2); exit code
 * 255 when it could not be run. */
static inline _unused_ int run_again(const char *variable, const char *value, const char *const arguments[])
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        setenv(variable, value, 1);
        execv("/proc/self/exe", (char *const *)arguments);
        _exit(255);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#endif
