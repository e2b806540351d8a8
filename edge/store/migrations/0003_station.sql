-- Master data as the hub's feeds brought it, and what stations remember.

CREATE TABLE feed (
    name      TEXT PRIMARY KEY,
    log_epoch INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    hash      BLOB    NOT NULL, -- of the last chunk
    heard_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Feed entries of a kind or version that this program does not know, byte for byte.
CREATE TABLE unknown_entry (
    feed    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    entry   BLOB    NOT NULL
) STRICT;

CREATE TABLE item (
    sku     TEXT PRIMARY KEY,
    name    TEXT    NOT NULL,
    name_en TEXT    NOT NULL,
    unit    TEXT    NOT NULL,
    active  INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE item_code (
    code   TEXT PRIMARY KEY, -- a GTIN of 14 digits, or the text on the label
    sku    TEXT    NOT NULL,
    unit   TEXT    NOT NULL,
    factor INTEGER NOT NULL CHECK (factor > 0),
    place  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX item_code_of_item ON item_code (sku, place);

CREATE TABLE bin (
    location TEXT PRIMARY KEY, -- WAREHOUSE/CODE
    name     TEXT    NOT NULL,
    purpose  TEXT    NOT NULL,
    active   INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE station (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE,
    last INTEGER NOT NULL -- its last scan as of the node's last scan whose id is a multiple of 256; 0 for none
) STRICT;

-- Every scan, accepted or refused, and every press of a button at a station, in the order in which they came:
-- stations that scan at once write to the same page. What the worker was told and where the station then
-- stands are JSON of package station: after a power cut it goes on from its last scan.
CREATE TABLE scan (
    id       INTEGER PRIMARY KEY,
    station  INTEGER NOT NULL,
    number   INTEGER NOT NULL, -- from 1, rising by one within the station
    before   INTEGER NOT NULL, -- the station's scan before it; 0 for none
    time     INTEGER NOT NULL, -- Unix milliseconds
    day      TEXT    NOT NULL, -- business day
    outcome  TEXT    NOT NULL,
    code     TEXT    NOT NULL,
    raw      BLOB    NOT NULL,
    told     TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    movement INTEGER NOT NULL, -- that the scan posted; 0 for none
    undo     INTEGER NOT NULL, -- movement that the station would take back now; 0 for none
    accepted INTEGER NOT NULL, -- scans of the station so far, this one included
    refused  INTEGER NOT NULL
) STRICT;
CREATE INDEX scan_refused ON scan (day) WHERE outcome = 'refused';

-- What was found in the bin that a station is counting.
CREATE TABLE sheet (
    station TEXT    NOT NULL,
    sku     TEXT    NOT NULL,
    lot     TEXT    NOT NULL,
    serial  TEXT    NOT NULL,
    expiry  TEXT    NOT NULL,
    found   INTEGER NOT NULL,
    PRIMARY KEY (station, sku, lot, serial, expiry)
) STRICT, WITHOUT ROWID;
