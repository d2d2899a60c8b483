/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Injected stops and failures for tests. In a build made with INJECT=1 a durable step passes inject_point("seal.rename"):
 *   LIUHEN_KILL_AT=seal.rename[:N]         the process kills itself (SIGKILL) the N-th time it gets there (default 1)
 *   LIUHEN_FAIL_AT=seal.rename=ENOSPC[:N[+]] that step fails with the errno the N-th time (N+ = from then on)
 * "seal.taken>db.commit" counts db.commit only from the first seal.taken on: steps that many share are passed at the start too.
 * In other builds the macro is 0 and nothing of this exists. Names are "module.step"; grep inject_point lists them.
 */
#ifndef LIUHEN_BASE_INJECT_H
#define LIUHEN_BASE_INJECT_H

#ifdef LIUHEN_INJECT
/* Returns 0, or the negative errno that the test asked for. Thread-safe. */
int inject_point(const char *name);
#else
#define inject_point(name) (0)
#endif

#endif
