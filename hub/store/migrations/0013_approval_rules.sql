-- The rules that say who approves what. While nothing is written the ready rules count, as edition 0. Editions stay.
CREATE TABLE approval_rules (
    version    INTEGER PRIMARY KEY, -- from 1, no gaps
    body       BLOB    NOT NULL,    -- CBOR of []approval.Rule, in order
    written_by TEXT    NOT NULL,
    written_at INTEGER NOT NULL,
    note       TEXT    NOT NULL     -- why
) STRICT;

-- What somebody has changed of the rules and not saved. It counts for nothing.
CREATE TABLE approval_rules_draft (
    account TEXT    PRIMARY KEY,
    base    INTEGER NOT NULL, -- the edition that it was made of
    body    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
