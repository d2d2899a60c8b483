/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Uploads after a restart, once all intents have been carried out: plain ones go, as nobody was told anything of them; resumable ones
 * come back into the table, with what the disk still has of them. After a crash of the process that is every byte in the file; after
 * a power cut only what was synced and acknowledged counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "catalogue/recordings.h"
#include "intake/upload-internal.h"

/* Whether this very upload was sealed: a recording of these bytes has an arrival with its id. */
static int find_sealed(struct db *db, struct upload_info *info, struct error *err)
{
    struct recording_id id;
    bool has = false;
    int r;

    if (info->sealed || !info->have_digest)
        return 0;
    r = recordings_by_digest(db, &info->digest, &id, err);
    if (r == RECORDINGS_E_NONE) {
        error_clear(err);
        return 0;
    }
    r = r != 0 ? r : recordings_has_arrival(db, id.text, info->upload->id, &has, err);
    if (r == 0 && has) {
        info->sealed = true;
        info->recording = id;
    }
    return r;
}

/* How many bytes there are to go on from; negative errno. */
static int64_t bytes_here(struct upload_info *info)
{
    const struct upload *u = info->upload;
    char path[UPLOAD_PATH_SIZE];
    struct stat st;
    int64_t bytes;

    if (fstatat(store_staging_fd(u->in->store), upload_data_path(u, path), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    bytes = st.st_size;
    if (!info->same_boot || info->checked)
        bytes = MIN(bytes, u->acknowledged);
    /* all were compared when they were whole, and stay so unless the power was cut */
    if (info->same_boot && info->have_digest && st.st_size == u->announced)
        bytes = st.st_size;
    return u->announced >= 0 ? MIN(bytes, u->announced) : bytes;
}

static void remove_data(const struct upload *u)
{
    char path[UPLOAD_PATH_SIZE];

    (void)unlinkat(store_staging_fd(u->in->store), upload_data_path(u, path), 0);
}

static int remember_sealed(struct upload_info *info)
{
    struct upload *u = info->upload;

    u->sealed = true;
    u->recording = info->recording;
    u->again = info->again;
    u->digests.sha256 = info->digest;
    u->offset = u->file.bytes = u->announced;
    remove_data(u);
    upload_info_sealed(u);
    return 0;
}

static int go_on_with(struct upload_info *info, int64_t bytes, struct error *err)
{
    struct upload *u = info->upload;
    struct upload_file f = {.fd = -1};
    char path[UPLOAD_PATH_SIZE];
    int staging = store_staging_fd(u->in->store), r;

    upload_data_path(u, path);
    (void)!fchmodat(staging, path, 0600, 0);
    r = upload_file_open(&f, staging, path, bytes); /* cuts off what does not count */
    upload_file_close(&f);
    if (r < 0)
        return error_errno(err, r, u->id, "cannot be opened in staging");
    u->offset = u->file.bytes = u->file.taken = bytes;
    u->checked = info->checked;
    u->is_known = info->have_digest && bytes == u->announced;
    u->known = info->digest;
    uploads_adjust(u);
    if (info->same_boot)
        return 0;
    upload_info_boot(u); /* so that a crash of the process counts as one from now on */
    if (u->acknowledged <= bytes)
        return 0; /* no sync: there may be thousands */
    u->acknowledged = bytes;
    r = upload_info_write(u);
    return r < 0 ? error_errno(err, r, u->id, "cannot be noted in staging") : 0;
}

static int remove_upload(struct intake *in, const char *id, struct error *err)
{
    int r = store_upload_remove(in->store, id, err);

    return r > 0 ? -EIO : r;
}

static int recover_resumable(struct upload_info *info, struct db *db, struct error *err)
{
    struct upload *u = info->upload;
    int64_t bytes;
    int r = find_sealed(db, info, err);

    if (r != 0)
        return r > 0 ? -EBUSY : r;
    bytes = info->sealed ? 0 : bytes_here(info);
    if (bytes == -ENOENT || bytes == -EINVAL) /* sealed, and nothing left that says as what */
        return remove_upload(u->in, u->id, err);
    if (bytes < 0)
        return error_errno(err, (int)bytes, u->id, "cannot be looked at in staging");
    r = info->sealed ? remember_sealed(info) : go_on_with(info, bytes, err);
    return r < 0 ? r : uploads_list(u->in->uploads, u);
}

int uploads_recover(struct intake *in, struct db *db, const char *id, struct error *err)
{
    struct upload_info info;
    int r = upload_info_read(in, id, &info);

    if (r == -ENOENT) /* a plain one */
        return remove_upload(in, id, err);
    if (r == -EINVAL)
        return UPLOAD_E_NONE;
    if (r < 0)
        return error_errno(err, r, id, "cannot be read in staging");
    r = recover_resumable(&info, db, err);
    upload_unref(info.upload);
    return r;
}
