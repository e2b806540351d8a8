-- Label templates of the company, as the hub's catalogue brought them; those that the program brings along are not here. One
-- that was taken back is not active.
CREATE TABLE label (
    id     TEXT PRIMARY KEY, -- a-z, 0-9 and hyphens
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    body   BLOB    NOT NULL  -- JSON, as internal/label reads it
) STRICT;
