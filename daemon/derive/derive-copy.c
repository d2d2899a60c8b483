/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Copies that leave the house (see derive.h).
 */
#include <errno.h>

#include "derive/derive-run.h"

int derive_copy(struct derive *d, const struct copy_request *request, char ret_job[ULID_LENGTH + 1],
                struct error *err)
{
    return error_set(err, -EOPNOTSUPP, request->form, "copies cannot be made yet");
}

int derive_copy_open(struct derive *d, const char *job, struct derivative *ret, int *ret_fd,
                     struct error *err)
{
    return error_set(err, DERIVE_E_NEVER, job, "copies cannot be made yet");
}

int derive_copy_run(struct making *m, struct error *err)
{
    return error_set(err, -EINVAL, m->job->id, "copies cannot be made yet");
}
