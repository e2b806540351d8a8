-- Who may do what here, as the feed of rights of this warehouse said last: roles, exclusions, subjects and people
-- (protocol/access), each as its entry came. What is about nobody and nothing any more stays, marked as such in the entry.
CREATE TABLE rights_entry (
    kind  INTEGER NOT NULL, -- of the feed entry
    name  TEXT    NOT NULL, -- id of what it is about
    entry BLOB    NOT NULL, -- CBOR
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
