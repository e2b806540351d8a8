-- Label templates. A company begins with those that the program brings along; one of the same id takes such a
-- one's place until it is withdrawn. Each act is a row of its own, so that everything that was ever printed
-- can be looked up: nothing here is changed or removed.
CREATE TABLE label (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL, -- of the template: a-z, 0-9 and hyphens
    version    INTEGER NOT NULL, -- from 1 for each name
    active     INTEGER NOT NULL CHECK (active IN (0, 1)), -- 0 takes the template back
    written_by TEXT    NOT NULL,
    written_at INTEGER NOT NULL,
    body       BLOB    NOT NULL, -- JSON; what was taken back keeps it
    UNIQUE (name, version)
) STRICT;
