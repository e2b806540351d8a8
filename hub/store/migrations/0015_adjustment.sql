-- Adjustments that are too large to stand without somebody else's word. The ledger does not wait for it; these say what is confirmed.

-- Counts from before this time stand as they are. Where there were counts already when this came, that is now.
CREATE TABLE adjustment_start (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at  INTEGER NOT NULL
) STRICT;
INSERT INTO adjustment_start (one, at)
SELECT 1, CASE WHEN EXISTS (SELECT 1 FROM stock_count) THEN CAST(strftime('%s', 'now') AS INTEGER) * 1000 ELSE 0 END;

-- Cells of which a count, or a movement that one had seen, came in since they were looked at.
CREATE TABLE adjustment_due (
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    location INTEGER NOT NULL REFERENCES location (id),
    PRIMARY KEY (key, location)
) STRICT, WITHOUT ROWID;

-- Cells whose adjustment is not confirmed: what follows from the ledger and the decisions below.
CREATE TABLE adjustment (
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    location INTEGER NOT NULL REFERENCES location (id),
    status   TEXT    NOT NULL CHECK (status IN ('waiting', 'recount')),
    content  BLOB    NOT NULL, -- name of what has to be decided: SHA-256, see package adjust
    detail   TEXT    NOT NULL,
    request  TEXT    NOT NULL, -- the approval that is waited for, empty for none
    PRIMARY KEY (key, location)
) STRICT, WITHOUT ROWID;

-- What was decided, for good: another difference is another name.
CREATE TABLE adjustment_decision (
    content  BLOB    PRIMARY KEY,
    key      INTEGER NOT NULL REFERENCES stock_key (id),
    location INTEGER NOT NULL REFERENCES location (id),
    approved INTEGER NOT NULL CHECK (approved IN (0, 1)),
    request  TEXT    NOT NULL,
    hash     BLOB    NOT NULL, -- of the request, which the approver signed
    by       TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    note     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX adjustment_decision_of ON adjustment_decision (key, location);
