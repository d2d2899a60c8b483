/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes HEIC and AVIF as liuhen-stills reads them, without the lock: boxes, EXIF, libheif's reading of the file, its decoders, the planes
 * made small, their colours, and the JPEG that comes of them. What is made is a picture of the size that was asked for, or there is a
 * reason why there is none.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "media/messages.h"
#include "media/stills-heif.h"
#include "media/stills.h"

#define BUDGET_USEC (2 * USEC_PER_SEC)
#define LONGEST     64

/* What the libraries lose with broken files is theirs: a process looks at one file. Ours is still seen. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libdav1d.so\nleak:libde265.so\nleak:libheif.so\n";
}

static json_t *plan;

/* Once: a file to be filled, and nowhere for what is said. */
static void begin(void)
{
    int file = memfd_create("photo", MFD_CLOEXEC), filled = dup2(file, WORKER_FD_FILES);
    int nowhere = open("/dev/null", O_WRONLY); /* after it: neither is put where the other lies */

    plan = json_pack("{s:[s], s:{s:i}}", "files", "photo-large.jpg", "photo", "large", LONGEST);
    if (filled < 0 || !plan || dup2(nowhere, WORKER_FD_OUTPUT) < 0 || heif_init(NULL).code != heif_error_Ok)
        abort();
}

/* Whether it is said what became of the photo, and that is true. */
static void check(const struct job *job)
{
    const json_t *file = json_array_get(job->facts.files, 0);
    int64_t width = json_get_integer(file, "width", 0), height = json_get_integer(file, "height", 0);
    uint8_t head[2];

    if (!json_get_string(file, "how")) {
        if (!json_get_string(file, "message"))
            abort();
        return;
    }
    if (width < 1 || height < 1 || width > LONGEST || height > LONGEST ||
        pread(WORKER_FD_FILES, head, 2, 0) != 2 || memcmp(head, "\xFF\xD8", 2) != 0)
        abort();
}

/* Pictures put together have a canvas that only libheif sees the size of, before it takes the memory; the lock's limit ends that, and here
 * there is none. */
static bool has_canvas(const uint8_t *data, size_t size)
{
    return memmem(data, size, "iovl", 4) || memmem(data, size, "grid", 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job job = {.n_files = 1, .file_bytes = 1 << 20};
    _cleanup_free_ char *text = NULL;

    if (has_canvas(data, size))
        return 0;
    if (!plan)
        begin();
    job.plan = plan;
    input_init_memory(&job.in, data, size, BUDGET_USEC);
    if (ftruncate(WORKER_FD_FILES, 0) < 0)
        abort();
    if (facts_init(&job.facts, 0) < 0)
        return 0;
    if (stills_photo(&job) == 0) {
        check(&job);
        if (facts_answer(&job.facts, &text) == 0 && strlen(text) > MESSAGE_ANSWER_MAX)
            abort();
    }
    facts_done(&job.facts);
    return 0;
}
