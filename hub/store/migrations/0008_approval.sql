-- What people ask others for, the rights for a time that come of it, and the rows that left the house.

-- Requests on their way and decided ones. The process is the whole state, see package approval; the columns beside it are for finding.
CREATE TABLE approval (
    id        TEXT    PRIMARY KEY,
    kind      TEXT    NOT NULL,
    requester TEXT    NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'withdrawn', 'expired')),
    asked_at  INTEGER NOT NULL,
    due       INTEGER NOT NULL, -- when time next does something to it, 0 when it is closed
    revision  INTEGER NOT NULL, -- rises with every transition
    process   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_open ON approval (due) WHERE state = 'waiting';
CREATE INDEX approval_of_requester ON approval (requester, asked_at);

-- Every transition, with the request as it was then. Nothing here is changed or removed.
CREATE TABLE approval_event (
    id       INTEGER PRIMARY KEY,
    approval TEXT    NOT NULL REFERENCES approval (id),
    act      TEXT    NOT NULL,
    actor    TEXT    NOT NULL, -- empty for what time did
    deputy   INTEGER NOT NULL CHECK (deputy IN (0, 1)),
    step     INTEGER NOT NULL, -- from 0
    hash     BLOB    NOT NULL, -- of the request
    at       INTEGER NOT NULL,
    note     TEXT    NOT NULL
) STRICT;
CREATE INDEX approval_event_of ON approval_event (approval, id);

-- Permissions for a time. One that has ended stays; the approval of the same id says who asked for it and why.
CREATE TABLE temporary_grant (
    id       TEXT    PRIMARY KEY REFERENCES approval (id),
    account  TEXT    NOT NULL,
    folded   TEXT    NOT NULL, -- the account as names are told apart
    body     BLOB    NOT NULL, -- CBOR of access.Grant
    reason   TEXT    NOT NULL,
    approver TEXT    NOT NULL CHECK (approver <> account),
    from_at  INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL DEFAULT 0, -- 0 while it counts
    ended_by TEXT    NOT NULL DEFAULT '' -- empty when time ended it
) STRICT, WITHOUT ROWID;
CREATE INDEX temporary_grant_of ON temporary_grant (folded) WHERE ended_at = 0;
CREATE INDEX temporary_grant_due ON temporary_grant (until_at) WHERE ended_at = 0;

-- Exports. The rows are those of the moment at which somebody asked for them, and are what was approved; they are dropped when
-- the export ends, while the rest stays.
CREATE TABLE export (
    id       TEXT    PRIMARY KEY,
    account  TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    filter   TEXT    NOT NULL, -- what was chosen, as JSON
    day      TEXT    NOT NULL, -- business day, for the quota
    lines    INTEGER NOT NULL,
    hash     BLOB    NOT NULL, -- SHA-256 of the rows
    state    TEXT    NOT NULL CHECK (state IN ('waiting', 'ready', 'refused', 'ended')),
    made_at  INTEGER NOT NULL,
    until_at INTEGER NOT NULL, -- the rows are kept until then
    fetched  INTEGER NOT NULL DEFAULT 0, -- how often
    body     BLOB              -- gzip of the rows as CSV; NULL when dropped
) STRICT, WITHOUT ROWID;
CREATE INDEX export_of_day ON export (account, day);
CREATE INDEX export_due ON export (until_at) WHERE body IS NOT NULL;
