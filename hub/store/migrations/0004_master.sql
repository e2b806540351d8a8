-- Master data that is written here, and the feeds that carry it and the movements of
-- sibling nodes down to the nodes.

CREATE TABLE item (
    sku     TEXT PRIMARY KEY,
    name    TEXT    NOT NULL,
    name_en TEXT    NOT NULL,
    unit    TEXT    NOT NULL, -- base unit
    active  INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT, WITHOUT ROWID;

-- The barcodes under which an item is scanned. A code names one item only.
CREATE TABLE item_code (
    code   TEXT PRIMARY KEY, -- a GTIN of 14 digits, or the text on the label
    sku    TEXT    NOT NULL REFERENCES item (sku),
    unit   TEXT    NOT NULL, -- empty for the base unit
    factor INTEGER NOT NULL CHECK (factor > 0), -- base units in one unit, in millionths
    place  INTEGER NOT NULL  -- in the item's list; the first is the one that exports show
) STRICT, WITHOUT ROWID;
CREATE INDEX item_code_of_item ON item_code (sku, place);

CREATE TABLE bin (
    location TEXT PRIMARY KEY, -- WAREHOUSE/CODE
    name     TEXT    NOT NULL,
    purpose  TEXT    NOT NULL,
    active   INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT, WITHOUT ROWID;

-- News of master data in the order in which it was written, as feed entries.
CREATE TABLE master_entry (
    seq   INTEGER PRIMARY KEY,
    feed  TEXT NOT NULL,
    entry BLOB NOT NULL
) STRICT;
CREATE INDEX master_entry_of_feed ON master_entry (feed, seq);

-- The feeds and how far each has read its source: master_entry.seq, or batch.id for the
-- movements of siblings.
CREATE TABLE feed (
    id      INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    news    INTEGER NOT NULL CHECK (news IN (0, 1)), -- its source is master_entry
    version INTEGER NOT NULL, -- of the last chunk
    head    BLOB    NOT NULL, -- its hash
    source  INTEGER NOT NULL,
    place   INTEGER NOT NULL  -- changes of the batch after that which are cut already
) STRICT;

CREATE TABLE chunk (
    id      INTEGER PRIMARY KEY,
    feed    INTEGER NOT NULL REFERENCES feed (id),
    version INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    UNIQUE (feed, version)
) STRICT;
