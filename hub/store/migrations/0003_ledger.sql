-- The ledger. Rows are small because there are many of them: what repeats is in
-- dictionaries, and what is seldom read stays in the batch that brought it.
--
-- A change has the id batch * 1024 + its place in the batch. So the name that it has in
-- the world (node, epoch, number) is found through the batch, and the other way round.
-- Quantities are millionths of the base unit.

-- Every place that stock was ever moved to or from. Those outside begin with "@".
CREATE TABLE location (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    warehouse TEXT NOT NULL -- empty for those outside
) STRICT;

-- Every kind of stock: what makes stock of one item distinct from other stock of it.
CREATE TABLE stock_key (
    id     INTEGER PRIMARY KEY,
    sku    TEXT    NOT NULL,
    serial TEXT    NOT NULL,
    lot    TEXT    NOT NULL,
    expiry TEXT    NOT NULL, -- YYYY-MM-DD or empty
    state  INTEGER NOT NULL,
    moved  INTEGER NOT NULL CHECK (moved IN (0, 1)), -- a movement names it, not only a count
    UNIQUE (sku, lot, expiry, serial, state)
) STRICT;
CREATE INDEX stock_key_of_serial ON stock_key (sku, serial) WHERE serial <> '';

-- Movements, never changed and never removed. They lie together by kind of stock, because
-- that is how they are looked for: to count, and to show the history of an item.
CREATE TABLE movement (
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    id       INTEGER NOT NULL,
    source   INTEGER NOT NULL REFERENCES location (id),
    target   INTEGER NOT NULL REFERENCES location (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    time     INTEGER NOT NULL, -- hybrid time, see package clock
    PRIMARY KEY (key, id)
) STRICT, WITHOUT ROWID;

-- Counts: what someone found, never changed either.
CREATE TABLE stock_count (
    id       INTEGER PRIMARY KEY,
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    location INTEGER NOT NULL REFERENCES location (id),
    counted  INTEGER NOT NULL,
    time     INTEGER NOT NULL,
    seen     BLOB    NOT NULL, -- CBOR: [[node, epoch, number], ...] that the counter's node had seen
    cause    TEXT    NOT NULL
) STRICT;
CREATE INDEX stock_count_of_cell ON stock_count (key, location);

-- What the two above add up to for each cell.
CREATE TABLE balance (
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    location INTEGER NOT NULL REFERENCES location (id),
    moved    INTEGER NOT NULL,
    adjusted INTEGER NOT NULL,
    counted  INTEGER NOT NULL CHECK (counted IN (0, 1)),
    PRIMARY KEY (key, location)
) STRICT, WITHOUT ROWID;

-- Cases for a person: the goods did move, so the ledger stands. A case is closed when its
-- cause is gone and never deleted; the same cause again is another case.
CREATE TABLE exception (
    id          INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL,
    subject     TEXT    NOT NULL, -- what it is about; kind and subject name an open case
    node        TEXT    NOT NULL,
    location    TEXT    NOT NULL,
    sku         TEXT    NOT NULL,
    lot         TEXT    NOT NULL,
    serial      TEXT    NOT NULL,
    expiry      TEXT    NOT NULL,
    state       INTEGER NOT NULL,
    detail      TEXT    NOT NULL,
    times       INTEGER NOT NULL DEFAULT 1, -- how often it was reported while open
    opened_leaf INTEGER NOT NULL,           -- of the batch that brought it, -1 for none
    opened_at   INTEGER NOT NULL,
    closed_leaf INTEGER,
    closed_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX exception_open ON exception (kind, subject) WHERE closed_at IS NULL;
