/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Words to the service manager (sd_notify(3), the protocol of $NOTIFY_SOCKET) that never hold up the thread that says them: the
 * library's own call waits without end while the manager does not read. The library's remains for the watchdog and for sockets
 * handed over.
 */
#ifndef LIUHEN_BASE_NOTIFY_H
#define LIUHEN_BASE_NOTIFY_H

#include "base/macro.h"

/* Sends "STATUS=…", dropped when the manager is not reading just then. */
void notify_status(const char *format, ...) _printf_(1, 2);

/* Sends READY=1, STOPPING=1 and the like: waits up to two seconds for the manager to read.
 * Return: 1 sent, 0 no manager asked for it, negative errno (-EAGAIN: it does not read). */
int notify_state(const char *text);

#endif
