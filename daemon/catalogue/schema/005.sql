-- SPDX-License-Identifier: GPL-3.0-or-later
-- Catalogue, version 5: retention.

-- ---- disposal (处置): batches that are noticed, approved by two people and then erased; functions of the ledger. ----

CREATE TABLE disposal_batches (
    id               TEXT PRIMARY KEY NOT NULL, -- ULID
    leaf             BIGINT NOT NULL,           -- leaf of disposal.proposed
    state            TEXT NOT NULL CHECK (state IN ('proposed', 'noticed', 'executing', 'ended', 'cancelled')),
    reason           TEXT NOT NULL,             -- why these, in words
    proposed_usec    BIGINT NOT NULL,           -- when
    proposed_by      TEXT NOT NULL,             -- who
    digest           TEXT,                      -- SHA-256 of the frozen list, hex; NULL = not noticed yet
    noticed_usec     BIGINT,                    -- when its notice began
    notice_ends_usec BIGINT,                    -- nothing is disposed of before
    begun_usec       BIGINT,                    -- when a person had it carried out
    begun_by         TEXT,                      -- who
    closed_usec      BIGINT,                    -- ended or cancelled
    CHECK ((digest IS NULL) = (noticed_usec IS NULL)),
    CHECK ((noticed_usec IS NULL) = (notice_ends_usec IS NULL)),
    CHECK (state NOT IN ('noticed', 'executing', 'ended') OR digest IS NOT NULL)
);
CREATE INDEX disposal_batches_state ON disposal_batches (state, id);

CREATE TABLE disposal_items (
    batch     TEXT NOT NULL REFERENCES disposal_batches (id), -- of which batch
    recording TEXT NOT NULL REFERENCES recordings (id),       -- which recording
    state     TEXT NOT NULL CHECK (state IN ('listed', 'left-out', 'disposed', 'erased')),
    reason    TEXT,                                           -- why it was left out
    leaf      BIGINT NOT NULL,                                -- leaf of the act that changed it last
    PRIMARY KEY (batch, recording)
);
CREATE INDEX disposal_items_recording ON disposal_items (recording);

CREATE TABLE disposal_approvals (
    leaf           BIGINT PRIMARY KEY NOT NULL,                    -- leaf of disposal.approved
    batch          TEXT NOT NULL REFERENCES disposal_batches (id), -- of which batch
    role           TEXT NOT NULL,                                  -- in which role
    actor          TEXT NOT NULL,                                  -- who
    approved_usec  BIGINT NOT NULL,                                -- when
    withdrawn_usec BIGINT                                          -- taken back; NULL = it stands
);
CREATE INDEX disposal_approvals_batch ON disposal_approvals (batch, leaf);

ALTER TABLE tombstones ADD COLUMN batch TEXT;         -- of which batch it was part
ALTER TABLE tombstones ADD COLUMN erased_leaf BIGINT; -- leaf of recording.erased; NULL = its bytes are still to go
CREATE INDEX tombstones_pending ON tombstones (recording) WHERE erased_leaf IS NULL;
