-- How often permissions for a time were used, at the hub and at nodes. It is counted from the entries "grant.used" and "export.made" of the audit log,
-- which are what counts: this is for showing.
CREATE TABLE temporary_use (
    grant_id TEXT    PRIMARY KEY REFERENCES temporary_grant (id),
    times    INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    last     TEXT    NOT NULL, -- what was done with it
    place    TEXT    NOT NULL  -- node, or the hub
) STRICT, WITHOUT ROWID;
