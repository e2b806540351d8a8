-- Labels that somebody asks to print once more and that another person has to allow. The process is the whole state, see package approval.
CREATE TABLE reprint (
    id        TEXT    PRIMARY KEY,
    job       TEXT    NOT NULL, -- id of the print job
    requester TEXT    NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'withdrawn', 'expired')),
    asked_at  INTEGER NOT NULL, -- Unix milliseconds
    revision  INTEGER NOT NULL,
    process   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reprint_open ON reprint (asked_at) WHERE state = 'waiting';
CREATE INDEX reprint_of ON reprint (requester, asked_at);
