-- The ledger: the changes, and what they add up to. All but their bytes can be made again from these at any time.

CREATE TABLE location (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE, -- "SHA/A-01", "@supplier"
    warehouse TEXT NOT NULL         -- empty for those outside
) STRICT;

-- The items that the ledger names. The catalogue may not know them (any more).
CREATE TABLE stock_item (
    id  INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE
) STRICT;

-- What makes stock of one item distinct from other stock of it.
CREATE TABLE stock_key (
    id     INTEGER PRIMARY KEY,
    item   INTEGER NOT NULL REFERENCES stock_item (id),
    serial TEXT    NOT NULL,
    lot    TEXT    NOT NULL,
    expiry TEXT    NOT NULL, -- YYYY-MM-DD or empty
    state  INTEGER NOT NULL,
    moved  INTEGER NOT NULL CHECK (moved IN (0, 1)), -- a movement names it, not only a count
    UNIQUE (item, serial, lot, expiry, state)
) STRICT;
CREATE INDEX stock_key_of_lot ON stock_key (item, lot, expiry) WHERE lot <> '';

-- Every change that the node knows, its own and those of its siblings, never changed. An own change is at
-- once the audit entry of what it says and its place in the outbox.
--
-- The columns after the bytes are what the ledger reads of a movement again and again; they are NULL for
-- other changes. Each movement names the one that came to its two cells before it, so that all movements
-- of a cell are found from its balance without an index.
CREATE TABLE change (
    id            INTEGER PRIMARY KEY,
    bytes         BLOB NOT NULL,
    key           INTEGER REFERENCES stock_key (id),
    source        INTEGER REFERENCES location (id),
    target        INTEGER REFERENCES location (id),
    quantity      INTEGER CHECK (quantity > 0),
    time          INTEGER, -- hybrid time
    source_before INTEGER, -- 0 for none, and for cells outside warehouses
    target_before INTEGER,
    CHECK (key IS NULL OR (source IS NOT NULL AND target IS NOT NULL AND quantity IS NOT NULL AND time IS NOT NULL))
) STRICT;

-- Which movement took back which.
CREATE TABLE reversal (
    reversed INTEGER PRIMARY KEY,
    by       INTEGER NOT NULL
) STRICT;

CREATE TABLE stock_count (
    id       INTEGER PRIMARY KEY,
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    location INTEGER NOT NULL REFERENCES location (id)
) STRICT;
CREATE INDEX stock_count_of_cell ON stock_count (key, location);

-- Balances of cells. The two sides of a movement share a key and so, mostly, a page.
CREATE TABLE balance (
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    location INTEGER NOT NULL REFERENCES location (id),
    item     INTEGER NOT NULL, -- of the key
    moved    INTEGER NOT NULL,
    adjusted INTEGER NOT NULL,
    counted  INTEGER NOT NULL CHECK (counted IN (0, 1)),
    held     INTEGER NOT NULL CHECK (held IN (0, 1)), -- inside a warehouse and not zero
    last     INTEGER NOT NULL, -- movement that came last; 0 for none, and outside warehouses
    PRIMARY KEY (key, location)
) STRICT, WITHOUT ROWID;
-- What lies in a bin. Held is written only when it changes, so that most movements leave this index alone.
CREATE INDEX balance_held ON balance (location, item) WHERE held = 1;

CREATE TABLE exception (
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
