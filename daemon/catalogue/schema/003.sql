-- SPDX-License-Identifier: GPL-3.0-or-later
-- Catalogue, version 3: containers and objects of body-worn systems.

-- What a body-worn system calls a container: one for each recording of a camera, and those of its own settings.
CREATE TABLE bodyworn_containers (
    id          TEXT PRIMARY KEY NOT NULL, -- ULID; also the take of the recordings in it
    leaf        BIGINT NOT NULL,           -- leaf of the first bodyworn.container about it
    device_id   TEXT NOT NULL,             -- ULID of the device (kind system) that signed in
    name        TEXT NOT NULL,             -- as the system calls it, UTF-8
    kind        TEXT NOT NULL CHECK (kind IN ('system', 'users', 'devices', 'recording', 'rejected', 'other')), -- by its name
    status      TEXT CHECK (status IN ('transferring', 'complete')), -- as the system says; NULL = it says nothing
    metadata    TEXT NOT NULL,             -- JSON object of texts, keys in lower case
    opened_usec BIGINT NOT NULL,           -- when we heard of it first
    closed_usec BIGINT,                    -- when it was said to be complete
    UNIQUE (device_id, name),
    CHECK ((status IS NOT NULL AND status = 'complete') = (closed_usec IS NOT NULL))
);

-- What lies in them. The same name with other bytes is a further row: nothing is overwritten.
CREATE TABLE bodyworn_objects (
    id            TEXT PRIMARY KEY NOT NULL, -- ULID
    leaf          BIGINT NOT NULL,           -- leaf of the first bodyworn.object about it
    container     TEXT NOT NULL REFERENCES bodyworn_containers (id), -- where
    name          TEXT NOT NULL,             -- as the system calls it, UTF-8; may hold '/'
    kind          TEXT NOT NULL CHECK (kind IN ('setting', 'clip', 'key', 'bookmark', 'trail', 'file')), -- by its name
    recording     TEXT REFERENCES recordings (id), -- its bytes; NULL = a setting, or there are none
    size_bytes    BIGINT NOT NULL CHECK (size_bytes >= 0), -- how many there are
    etag          TEXT NOT NULL CHECK (length(etag) = 32), -- MD5 of the bytes in hex, as Swift wants it
    type          TEXT,                      -- Content-Type as it was sent
    metadata      TEXT NOT NULL,             -- JSON object of texts, keys in lower case
    content       TEXT,                      -- a setting's bytes in base64; NULL = none
    detail        TEXT,                      -- JSON: a bookmark's text, a trail's ends and number of points
    stored_usec   BIGINT NOT NULL,           -- when its bytes came
    changed_usec  BIGINT NOT NULL,           -- when its metadata came
    replaced_leaf BIGINT,                    -- leaf of the next object of this name; NULL = this is the newest
    CHECK (recording IS NULL OR content IS NULL)
);
CREATE UNIQUE INDEX bodyworn_objects_name ON bodyworn_objects (container, name) WHERE replaced_leaf IS NULL;
CREATE INDEX bodyworn_objects_recording ON bodyworn_objects (recording, leaf) WHERE recording IS NOT NULL;
