-- Who the hub is, which nodes it knows, and what it keeps of each end of the sync core.
-- Times are Unix milliseconds of the hub's clock; hashes are SHA-256, 32 bytes.

-- What was decided once for the whole hub: organisation, keys, authority.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row. Every act that writes puts another random number here, so that a program which
-- keeps a part of the store in memory notices when another one has written since.
CREATE TABLE generation (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    token INTEGER NOT NULL
) STRICT;
INSERT INTO generation (one, token) VALUES (1, 0);

-- What the running server must be told of when a command has done it: the server reads the
-- rows after the last one it knows, a few times a second.
CREATE TABLE notice (
    seq  INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('enrolled', 'revoked', 'decided', 'master')),
    node TEXT NOT NULL -- empty when it is about none
) STRICT;

-- The nodes, and the hub's state of the sync core for each (delivery.NodeState). The hub
-- itself is here too: it posts as a node of its own, without warehouse and key.
CREATE TABLE node (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    warehouse   TEXT    NOT NULL,
    public_key  BLOB    NOT NULL, -- Ed25519; empty until the node is enrolled
    epoch       INTEGER NOT NULL, -- head of its chain: epoch, sequence, header hash
    seq         INTEGER NOT NULL,
    hash        BLOB    NOT NULL,
    head_leaf   INTEGER NOT NULL, -- of that batch, -1 for none
    next_number INTEGER NOT NULL,
    highest     INTEGER NOT NULL, -- highest epoch ever named
    dispute     TEXT    NOT NULL, -- why a person has to decide, empty when nothing is open
    revoked     INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    rest        BLOB    NOT NULL, -- CBOR of what only the sync core reads
    added_at    INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL  -- last authentic word of it, 0 for none
) STRICT;

-- The keys that nodes have had. Each is a leaf of the log: what an exported batch is
-- verified with must have been there before the batch.
CREATE TABLE node_key (
    id         INTEGER PRIMARY KEY,
    node       INTEGER NOT NULL REFERENCES node (id),
    public_key BLOB    NOT NULL,
    leaf       INTEGER NOT NULL,
    added_at   INTEGER NOT NULL
) STRICT;

-- One-time tokens of enrolment, by the hash of their secret. The key that used a token
-- may use it again until it expires: the answer may have been lost.
CREATE TABLE token (
    hash       BLOB PRIMARY KEY,
    node       TEXT    NOT NULL,
    warehouse  TEXT    NOT NULL,
    replaces   INTEGER NOT NULL CHECK (replaces IN (0, 1)), -- the node exists and gets a new key
    log_size   INTEGER NOT NULL, -- head of the log that the token names
    log_epoch  INTEGER NOT NULL,
    made_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_by    BLOB,             -- the public key
    used_at    INTEGER
) STRICT, WITHOUT ROWID;

-- What came in under a node's name and was not authentic: the last few, to look into.
CREATE TABLE set_aside (
    id    INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    node  TEXT    NOT NULL,
    why   TEXT    NOT NULL,
    bytes BLOB    NOT NULL
) STRICT;
