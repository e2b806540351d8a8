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

-- Where each station stands, so that it goes on there after a power cut. The state is JSON of package station.
CREATE TABLE station (
    name  TEXT PRIMARY KEY,
    state BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Every scan, accepted or refused, with what the worker was told: JSON of package station.
CREATE TABLE scan (
    station  TEXT    NOT NULL,
    number   INTEGER NOT NULL, -- rises by one within the station
    day      TEXT    NOT NULL, -- business day
    outcome  TEXT    NOT NULL,
    code     TEXT    NOT NULL,
    feedback BLOB    NOT NULL,
    PRIMARY KEY (station, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX scan_refused ON scan (station, day, number) WHERE outcome = 'refused';

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
