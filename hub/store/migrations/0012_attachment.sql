-- Files that belong to something: contracts, invoices, delivery notes, photographs. The contents lie encrypted in files of their own,
-- each under a key of its own, see package attachments.

-- Rows are never removed: of a file that was destroyed this stays.
CREATE TABLE attachment (
    id         TEXT    PRIMARY KEY,
    kind       TEXT    NOT NULL, -- of the subject, a word of package attachments
    subject    TEXT    NOT NULL, -- its id
    warehouse  TEXT    NOT NULL, -- whose people may see it; empty for the whole company
    category   TEXT    NOT NULL,
    number     TEXT    NOT NULL, -- of the document
    note       TEXT    NOT NULL,
    name       TEXT    NOT NULL, -- of the file as it was given
    type       TEXT    NOT NULL, -- media type as the contents say
    size       INTEGER NOT NULL,
    hash       BLOB    NOT NULL, -- SHA-256 of the contents
    account    TEXT    NOT NULL, -- who added it
    day        TEXT    NOT NULL, -- business day, for the quota and for finding
    added_at   INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL DEFAULT 0, -- 0 while it is there
    deleted_by TEXT    NOT NULL DEFAULT '',
    reason     TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX attachment_of ON attachment (kind, subject);
CREATE INDEX attachment_added ON attachment (added_at);
CREATE INDEX attachment_of_day ON attachment (account, day);

-- The key of each file that is there. Without its row here a file can be read by nobody.
CREATE TABLE attachment_key (
    attachment TEXT PRIMARY KEY REFERENCES attachment (id),
    secret     BLOB NOT NULL -- age identity, as text
) STRICT, WITHOUT ROWID;
