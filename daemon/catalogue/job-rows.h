/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rows of jobs and of derivatives. Neither is a function of the ledger: a job is work to do, a derivative can be made again. They are
 * written in the writer's transactions all the same, as it owns the one connection that writes.
 */
#ifndef LIUHEN_CATALOGUE_JOB_ROWS_H
#define LIUHEN_CATALOGUE_JOB_ROWS_H

#include "catalogue/db.h"
#include "catalogue/recordings.h"

enum job_priority { JOB_WATCHED, JOB_EVIDENCE, JOB_USUAL, JOB_LATER }; /* lower is sooner */

/* A job to make the usual derivatives, unless one waits or runs already; then only its priority may rise. In the caller's transaction. */
int jobs_want_derivatives(struct db *db, const struct recording_id *id, enum job_priority priority, int64_t now_usec, struct error *err);

#endif
