-- SPDX-License-Identifier: GPL-3.0-or-later
-- Catalogue, version 1. One text for SQLite and PostgreSQL; lines marked --sqlite or --postgres are for one of them.
-- Every table but meta and pending_leaves is a function of the ledger: rows change only by applying acts (apply.c).
-- Times are microseconds since 1970-01-01 UTC; ids are ULIDs; digests are raw bytes; names and paths are percent-encoded.

--postgres DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = 'blob' AND n.nspname = current_schema()) THEN CREATE DOMAIN blob AS bytea; END IF; END $$;

-- What this catalogue is: schema (its version).
CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL, -- which fact
    value TEXT NOT NULL              -- its value
);

-- Leaves committed here and perhaps not yet in the ledger's files; trimmed once a checkpoint names them.
CREATE TABLE pending_leaves (
    idx   BIGINT PRIMARY KEY NOT NULL CHECK (idx >= 0), -- leaf index in the ledger
    entry blob NOT NULL                                 -- the act's canonical JSON
);

-- Index over all acts, so that the history of anything is found without reading the ledger through.
CREATE TABLE acts (
    idx       BIGINT PRIMARY KEY NOT NULL CHECK (idx >= 0), -- leaf index
    time_usec BIGINT NOT NULL,                              -- when it was done
    kind      TEXT NOT NULL,                                -- "recording.sealed" …
    actor     TEXT NOT NULL,                                -- "user:li", "system", "door:dock1"
    subject   TEXT NOT NULL,                                -- id of what it was done to
    object    TEXT                                          -- id of the other thing it is about (the case of a link), or NULL
);
CREATE INDEX acts_subject ON acts (subject, idx);
CREATE INDEX acts_object ON acts (object, idx) WHERE object IS NOT NULL;

-- One row a recording: what is filtered and sorted by. Wide facts are in recording_facts.
CREATE TABLE recordings (
    id            TEXT PRIMARY KEY NOT NULL,                 -- ULID, also the OCFL object id
    leaf          BIGINT NOT NULL,                           -- leaf of its recording.sealed
    digest        blob NOT NULL,                             -- SHA-256 of the content
    sm3           blob,                                      -- SM3 of the content, where configured
    size_bytes    BIGINT NOT NULL CHECK (size_bytes >= 0),   -- length of the content
    name          TEXT NOT NULL,                             -- source file name as it came
    content_name  TEXT NOT NULL,                             -- file name inside the OCFL object
    kind          TEXT NOT NULL CHECK (kind IN ('video', 'audio', 'photo', 'document', 'data')), -- Art. 4
    door          TEXT NOT NULL,                             -- by which door it came first
    received_usec BIGINT NOT NULL,                           -- when it was sealed
    status        TEXT NOT NULL CHECK (status IN ('new', 'ok', 'damaged', 'unknown')), -- what examining found
    device        TEXT,                                      -- camera or recorder
    officer       TEXT,                                      -- who recorded
    unit          TEXT,                                      -- whose unit
    started_usec  BIGINT,                                    -- recorded start
    ended_usec    BIGINT,                                    -- recorded end
    certainty     TEXT CHECK (certainty IN ('certain', 'probable', 'doubtful')), -- of the recorded times
    sort_usec     BIGINT NOT NULL,                           -- recorded start, or receipt where there is none or it is doubtful
    take          TEXT,                                      -- ULID shared by consecutive recordings of one device
    case_key      TEXT,                                      -- folded number of a case that its place names and nobody has added yet
    links         BIGINT NOT NULL CHECK (links >= 0),        -- how many cases it is linked to
    holds         BIGINT NOT NULL CHECK (holds >= 0),        -- how many holds of its own stand
    held          BIGINT NOT NULL CHECK (held >= holds),     -- how many stand of its own and of the cases it is linked to
    class         TEXT,                                      -- retention class; NULL = not decided yet
    ending        TEXT CHECK (ending IN ('date', 'case', 'permanent')), -- how it ends
    until_usec    BIGINT,                                    -- keep until; NULL = no end
    disc_due_usec BIGINT,                                    -- discs to be made by then; NULL = none
    policy        TEXT,                                      -- policy version that decided
    decided_leaf  BIGINT,                                    -- leaf of the decision
    disposed_leaf BIGINT,                                    -- leaf of its disposal; NULL = it is here
    CHECK (disposed_leaf IS NOT NULL OR leaf >= 0)
);
CREATE UNIQUE INDEX recordings_digest ON recordings (digest) WHERE disposed_leaf IS NULL;
-- For lists (recordings-list.c): what the list is driven by, its order, and behind that the columns of other filters, so that a
-- row that another filter leaves out is never fetched. A million recordings: 0.5 µs instead of 3 µs for each one left out.
-- (size_bytes is there for the sum in status.)
CREATE INDEX recordings_time ON recordings (sort_usec, id, size_bytes);
CREATE INDEX recordings_device ON recordings (device, sort_usec, id, class, kind, links, status, officer, unit);
CREATE INDEX recordings_officer ON recordings (officer, sort_usec, id, class, kind, links, status, device, unit);
CREATE INDEX recordings_unit ON recordings (unit, sort_usec, id, class, kind, links, status);
CREATE INDEX recordings_class ON recordings (class, sort_usec, id, kind, links, status, unit);
CREATE INDEX recordings_kind ON recordings (kind, sort_usec, id, class, links, status, unit);
CREATE INDEX recordings_damaged ON recordings (sort_usec, id, class, kind, links, device, officer, unit) WHERE status = 'damaged';
CREATE INDEX recordings_held ON recordings (sort_usec, id, class, kind, links, device, officer, unit) WHERE held > 0;
CREATE INDEX recordings_new ON recordings (id) WHERE status = 'new';
CREATE INDEX recordings_unlinked ON recordings (sort_usec, id) WHERE links = 0;
CREATE INDEX recordings_waiting ON recordings (case_key, id) WHERE case_key IS NOT NULL;
CREATE INDEX recordings_policy ON recordings (policy) WHERE disposed_leaf IS NULL;
CREATE INDEX recordings_take ON recordings (take) WHERE take IS NOT NULL;

-- Facts of a recording that are read one at a time: JSON as in the acts.
CREATE TABLE recording_facts (
    recording TEXT PRIMARY KEY NOT NULL REFERENCES recordings (id), -- whose
    arrival   TEXT NOT NULL, -- first arrival: door, folder, path, clock
    message   TEXT,          -- why damaged or unknown
    media     TEXT,          -- what examining found
    place     TEXT,          -- device, officer, times … each with source and certainty
    reasons   TEXT           -- the decision's reasons
);

-- Every arrival of the same bytes.
CREATE TABLE arrivals (
    leaf      BIGINT PRIMARY KEY NOT NULL,             -- leaf of recording.sealed or recording.arrived-again
    recording TEXT NOT NULL REFERENCES recordings (id), -- what arrived
    time_usec BIGINT NOT NULL,                         -- when
    door      TEXT NOT NULL,                           -- by which door
    path      TEXT NOT NULL,                           -- source path below the door, percent-encoded
    arrival   TEXT NOT NULL                            -- JSON
);
CREATE INDEX arrivals_recording ON arrivals (recording, leaf);
CREATE INDEX arrivals_path ON arrivals (path, leaf);

-- Case files (案件).
CREATE TABLE cases (
    id         TEXT PRIMARY KEY NOT NULL,        -- ULID
    leaf       BIGINT NOT NULL,                  -- leaf of case.added
    number     TEXT NOT NULL,                    -- as users write it: 本溪卫医罚〔2026〕12号
    number_key TEXT NOT NULL UNIQUE,             -- folded for look-up: brackets, widths, spaces alike
    title      TEXT,                             -- free text
    procedure  TEXT NOT NULL CHECK (procedure IN ('none', 'general', 'summary')), -- 一般程序, 简易程序
    state      TEXT NOT NULL CHECK (state IN ('open', 'ended', 'filed')),         -- Art. 16
    opened_usec BIGINT NOT NULL,                 -- when the matter began
    ended_usec BIGINT,                           -- end of the enforcement act
    filed_usec BIGINT,                           -- 立卷 / 归档
    CHECK (state = 'open' OR ended_usec IS NOT NULL),
    CHECK (state <> 'filed' OR filed_usec IS NOT NULL)
);
CREATE INDEX cases_opened ON cases (opened_usec, id);

-- Recording ↔ case.
CREATE TABLE links (
    recording TEXT NOT NULL REFERENCES recordings (id),          -- which recording
    case_id   TEXT NOT NULL REFERENCES cases (id),               -- which case
    role      TEXT NOT NULL CHECK (role IN ('evidence', 'context')), -- Art. 17(c) speaks of evidence
    step      TEXT,                                              -- procedural step it supports
    sort_usec BIGINT NOT NULL,                                   -- copy of the recording's, for paging
    leaf      BIGINT NOT NULL,                                   -- leaf of link.added
    PRIMARY KEY (recording, case_id)
);
CREATE INDEX links_case ON links (case_id, sort_usec, recording);

-- Holds (保全), Art. 18: each its own ground, date and person; one lifted leaves the others.
CREATE TABLE holds (
    id          TEXT PRIMARY KEY NOT NULL,           -- ULID
    leaf        BIGINT NOT NULL,                     -- leaf of hold.added
    recording   TEXT REFERENCES recordings (id),     -- held recording, or
    case_id     TEXT REFERENCES cases (id),          -- held case: all recordings linked to it
    ground      TEXT NOT NULL,                       -- objection, complaint …
    matter      TEXT,                                -- petition or case number
    reason      TEXT,                                -- needed for ground "other"
    placed_usec BIGINT NOT NULL,                     -- when
    placed_by   TEXT NOT NULL,                       -- who
    lifted_usec BIGINT,                              -- NULL = stands
    lifted_by   TEXT,                                -- who lifted it
    lifted_leaf BIGINT,                              -- leaf of hold.lifted
    CHECK ((recording IS NULL) <> (case_id IS NULL)),
    CHECK (ground <> 'other' OR reason IS NOT NULL),
    CHECK ((lifted_usec IS NULL) = (lifted_leaf IS NULL))
);
CREATE INDEX holds_recording ON holds (recording) WHERE recording IS NOT NULL;
CREATE INDEX holds_case ON holds (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX holds_standing ON holds (id) WHERE lifted_usec IS NULL;

-- Policy versions; the one with the highest leaf is in force.
CREATE TABLE policies (
    version      TEXT PRIMARY KEY NOT NULL, -- effective date and digest
    name         TEXT NOT NULL,             -- cn-health-enforcement
    leaf         BIGINT NOT NULL,           -- leaf of policy.adopted
    text         TEXT NOT NULL,             -- the file as adopted
    adopted_usec BIGINT NOT NULL,           -- when
    adopted_by   TEXT NOT NULL              -- who
);

-- What could not be taken in, and why (Failure tier "item").
CREATE TABLE quarantined (
    id        TEXT PRIMARY KEY NOT NULL, -- ULID, also the name in quarantine/
    leaf      BIGINT NOT NULL,           -- leaf of item.quarantined
    time_usec BIGINT NOT NULL,           -- when
    door      TEXT NOT NULL,             -- where it came from
    path      TEXT NOT NULL,             -- source path, percent-encoded
    reason    TEXT NOT NULL              -- plain words
);

-- Why an object is no longer there: written only by disposal, in one transaction with its leaf.
CREATE TABLE tombstones (
    recording     TEXT PRIMARY KEY NOT NULL REFERENCES recordings (id), -- what was erased
    leaf          BIGINT NOT NULL,          -- leaf of recording.disposed
    disposed_usec BIGINT NOT NULL,          -- when
    noticed_usec  BIGINT NOT NULL,          -- when the notice began
    approved_records TEXT NOT NULL,         -- first approver
    approved_legal   TEXT NOT NULL,         -- second approver
    policy        TEXT NOT NULL,            -- version under which it was eligible
    CHECK (approved_records <> approved_legal),
    CHECK (noticed_usec < disposed_usec)
);
