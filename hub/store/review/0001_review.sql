-- Drafts of the policy, one for each person that has begun one, and reviews of who has which role.
CREATE TABLE policy_draft (
    account    TEXT PRIMARY KEY,
    body       BLOB    NOT NULL, -- rights.Draft as CBOR
    written_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE review (
    id         INTEGER PRIMARY KEY,
    title      TEXT    NOT NULL,
    due        TEXT    NOT NULL, -- a date
    started_by TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    closed_by  TEXT    NOT NULL DEFAULT '',
    closed_at  INTEGER,          -- NULL while it is open
    result     BLOB              -- signed, once it is closed
) STRICT;

-- One role in one hand at one warehouse.
CREATE TABLE review_item (
    id         INTEGER PRIMARY KEY,
    review     INTEGER NOT NULL REFERENCES review (id),
    account    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    display    TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    role_zh    TEXT    NOT NULL,
    role_en    TEXT    NOT NULL,
    warehouse  TEXT    NOT NULL, -- empty: headquarters is asked
    verdict    TEXT    NOT NULL,
    decided_by TEXT    NOT NULL,
    decided_at INTEGER NOT NULL,
    note       TEXT    NOT NULL,
    UNIQUE (review, account, role, warehouse)
) STRICT;
