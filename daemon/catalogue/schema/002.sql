-- SPDX-License-Identifier: GPL-3.0-or-later
-- Catalogue, version 2: devices.

-- Devices that deliver by themselves: cameras, docks, phones, camera systems.
CREATE TABLE devices (
    id                TEXT PRIMARY KEY NOT NULL,    -- ULID
    leaf              BIGINT NOT NULL,              -- leaf of device.added
    serial            TEXT NOT NULL UNIQUE CHECK (serial <> ''), -- what recordings name as their device
    name              TEXT,                         -- as people call it
    kind              TEXT NOT NULL CHECK (kind IN ('camera', 'dock', 'phone', 'system', 'other')), -- what it is
    unit              TEXT,                         -- whose unit
    zone              TEXT,                         -- time zone of its clock; NULL = the site's
    quota_bytes       BIGINT CHECK (quota_bytes > 0),   -- most bytes a day; NULL = no limit
    rate_requests     BIGINT CHECK (rate_requests > 0), -- most requests a minute; NULL = no limit
    added_usec        BIGINT NOT NULL,              -- when it was registered
    retired_usec      BIGINT,                       -- when it was taken out of use; NULL = in use
    arrivals          BIGINT NOT NULL CHECK (arrivals >= 0), -- how many recordings it has delivered, the same bytes again included
    last_arrival_usec BIGINT,                       -- when the last one came
    clock_offset_usec BIGINT,                       -- its clock minus ours, as measured last
    clock_usec        BIGINT,                       -- when that was
    CHECK ((last_arrival_usec IS NULL) = (arrivals = 0)),
    CHECK ((clock_offset_usec IS NULL) = (clock_usec IS NULL))
);

-- Who carries a device, from when until when. They never overlap.
CREATE TABLE device_assignments (
    leaf       BIGINT PRIMARY KEY NOT NULL,           -- leaf of device.assigned
    device     TEXT NOT NULL REFERENCES devices (id), -- which device
    officer    TEXT NOT NULL CHECK (officer <> ''),   -- who
    from_usec  BIGINT NOT NULL,                       -- from then on
    until_usec BIGINT,                                -- up to then, exclusive; NULL = until further notice
    CHECK (until_usec IS NULL OR until_usec > from_usec)
);
CREATE UNIQUE INDEX device_assignments_from ON device_assignments (device, from_usec);

-- How devices prove who they are. The secrets themselves are nowhere.
CREATE TABLE device_keys (
    id           TEXT PRIMARY KEY NOT NULL,             -- ULID; stands in the token
    leaf         BIGINT NOT NULL,                       -- leaf of device.key-added
    device       TEXT NOT NULL REFERENCES devices (id), -- whose
    kind         TEXT NOT NULL CHECK (kind IN ('token', 'certificate')), -- what it is
    digest       blob NOT NULL UNIQUE,                  -- SHA-256 of the token, or of the certificate's DER form
    label        TEXT,                                  -- what people call it
    added_usec   BIGINT NOT NULL,                       -- when
    added_by     TEXT NOT NULL,                         -- who made it
    expires_usec BIGINT,                                -- not good from then on; NULL = good until it is revoked
    revoked_usec BIGINT,                                -- when it was revoked; NULL = it was not
    revoked_by   TEXT,                                  -- who revoked it
    CHECK ((revoked_usec IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX device_keys_device ON device_keys (device, id);
