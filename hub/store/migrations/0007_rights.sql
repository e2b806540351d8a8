-- Who may do what: the editions of the policy (roles and what excludes what), and what the feeds of rights have
-- said. Nothing is written while a company works with the ready policy.
CREATE TABLE policy (
    version    INTEGER PRIMARY KEY, -- from 1, no gaps; nothing here is changed or removed
    body       BLOB    NOT NULL,    -- access.Policy as CBOR
    written_by TEXT    NOT NULL,
    written_at INTEGER NOT NULL,
    note       TEXT    NOT NULL     -- why
) STRICT;

-- The last word of each feed of rights about each role, exclusion, subject and person, so that only what differs is said
-- again and what is gone is taken back.
CREATE TABLE rights_word (
    feed    TEXT    NOT NULL,
    kind    INTEGER NOT NULL, -- of the feed entry
    name    TEXT    NOT NULL, -- id of what it is about
    digest  BLOB    NOT NULL, -- SHA-256 of the payload
    version INTEGER NOT NULL, -- how often it was said
    gone    INTEGER NOT NULL CHECK (gone IN (0, 1)), -- taken back
    PRIMARY KEY (feed, kind, name)
) STRICT, WITHOUT ROWID;

-- The running server is told of a policy too.
CREATE TABLE notice_new (
    seq  INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('enrolled', 'revoked', 'decided', 'master', 'policy')),
    node TEXT NOT NULL -- empty when it is about none
) STRICT;
INSERT INTO notice_new (seq, kind, node) SELECT seq, kind, node FROM notice;
DROP TABLE notice;
ALTER TABLE notice_new RENAME TO notice;
