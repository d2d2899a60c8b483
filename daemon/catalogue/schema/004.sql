-- SPDX-License-Identifier: GPL-3.0-or-later
-- Catalogue, version 4: what decoding showed, derivatives, and the jobs that make them. Jobs and derivatives are no functions of the
-- ledger: they are work to do and what came of it, and all of it can be done again.

ALTER TABLE recording_facts ADD COLUMN decoded TEXT; -- what decoding showed (recording.decoded), JSON; NULL = nothing

-- One job a recording for its usual derivatives (it stays, for its life), and one for each copy that somebody asked for.
CREATE TABLE jobs (
    id            TEXT PRIMARY KEY NOT NULL,                    -- ULID
    recording     TEXT NOT NULL REFERENCES recordings (id),     -- of what
    kind          TEXT NOT NULL CHECK (kind IN ('derive', 'copy')),
    state         TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    priority      BIGINT NOT NULL CHECK (priority >= 0),        -- 0 watched, 1 evidence, 2 usual, 3 later (job-rows.h)
    created_usec  BIGINT NOT NULL,                              -- when it was asked for
    changed_usec  BIGINT NOT NULL,                              -- when its state changed
    due_usec      BIGINT NOT NULL,                              -- not before then (backed off)
    starts        BIGINT NOT NULL CHECK (starts >= 0),          -- begun so often since it was asked for
    tries         BIGINT NOT NULL CHECK (tries >= 0),           -- failed so often by the recording's own fault
    troubles      BIGINT NOT NULL CHECK (troubles >= 0),        -- put off so often, for want of something, one after the other
    lease         TEXT,                                         -- who runs it has this; NULL = nobody
    node          TEXT,                                         -- which machine that is, or was
    until_usec    BIGINT,                                       -- when the lease ends
    permille      BIGINT CHECK (permille BETWEEN 0 AND 1000),   -- how far it is
    recipe        TEXT,                                         -- by what the derivatives were made; NULL = never were
    message       TEXT,                                         -- why failed, put off or not whole
    missing       TEXT,                                         -- JSON: what could not be made, and why
    request       TEXT,                                         -- of a copy, JSON: form, actor, reason, plan, mark
    CHECK ((lease IS NOT NULL) = (state = 'running')),
    CHECK ((lease IS NULL) = (until_usec IS NULL)),
    CHECK ((kind = 'copy') = (request IS NOT NULL))
);
CREATE UNIQUE INDEX jobs_derive ON jobs (recording) WHERE kind = 'derive';
CREATE INDEX jobs_recording ON jobs (recording, state);
-- The state is in front of these two again: without it SQLite would take jobs_state, and sort.
CREATE INDEX jobs_waiting ON jobs (state, priority, recording DESC, id) WHERE state = 'waiting';
CREATE INDEX jobs_running ON jobs (state, until_usec) WHERE state = 'running';
CREATE INDEX jobs_state ON jobs (state, id); -- lists and counts
CREATE INDEX jobs_copies ON jobs (changed_usec) WHERE kind = 'copy';

-- Files that jobs have made, whole; they lie in cache/.
CREATE TABLE derivatives (
    job        TEXT NOT NULL REFERENCES jobs (id), -- what made it
    name       TEXT NOT NULL,                      -- proxy.mp4 …
    recording  TEXT NOT NULL,                      -- of what
    file       TEXT NOT NULL,                      -- name on disk
    how        TEXT,                               -- remux, encoded, salvaged …
    size_bytes BIGINT NOT NULL CHECK (size_bytes > 0), -- length
    etag       TEXT NOT NULL CHECK (length(etag) = 64), -- SHA-256 of its bytes, hex
    width      BIGINT,                             -- of a picture
    height     BIGINT,
    message    TEXT,                               -- what is missing in it
    made_usec  BIGINT NOT NULL,                    -- when
    PRIMARY KEY (job, name)
);
