-- The batches as they came in, and the Merkle log over them.

-- Accepted batches, by place in their node's chain. A batch that was held and then accepted
-- has an epoch of its own. The bytes stand last, so that a search does not read them.
CREATE TABLE batch (
    id       INTEGER PRIMARY KEY,
    node     INTEGER NOT NULL REFERENCES node (id),
    epoch    INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    first    INTEGER NOT NULL, -- number of its first change
    count    INTEGER NOT NULL CHECK (count BETWEEN 1 AND 1000),
    leaf     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    hash     BLOB    NOT NULL, -- of the signed header
    signed   BLOB    NOT NULL, -- COSE_Sign1 over the header
    body     BLOB    NOT NULL,
    UNIQUE (node, epoch, seq)
) STRICT;
CREATE INDEX batch_by_leaf ON batch (leaf);

-- Batches that a person has to decide about. Decided ones stay, with the decision.
CREATE TABLE held (
    hash       BLOB PRIMARY KEY,
    node       INTEGER NOT NULL REFERENCES node (id),
    epoch      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    decision   TEXT    NOT NULL DEFAULT '' CHECK (decision IN ('', 'accepted', 'rejected')),
    decided_by TEXT    NOT NULL DEFAULT '',
    decided_at INTEGER,
    why        TEXT    NOT NULL DEFAULT '',
    signed     BLOB    NOT NULL,
    body       BLOB    NOT NULL
) STRICT;
CREATE INDEX held_open ON held (node) WHERE decision = '';

-- Changes of held batches that a person has rejected: they are not posted when the node
-- sends them again under other numbers. The fingerprint is that of package change.
CREATE TABLE settled (
    node        INTEGER NOT NULL REFERENCES node (id),
    fingerprint BLOB    NOT NULL,
    why         TEXT    NOT NULL,
    PRIMARY KEY (node, fingerprint)
) STRICT, WITHOUT ROWID;

-- Changes that were acknowledged and logged but could not be posted, byte for byte.
-- The id is that of the change, see 0003_ledger.sql.
CREATE TABLE parked (
    id     INTEGER PRIMARY KEY,
    node   INTEGER NOT NULL REFERENCES node (id),
    epoch  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    whole  INTEGER NOT NULL CHECK (whole IN (0, 1)), -- stands for all changes of its batch
    why    TEXT    NOT NULL,
    change BLOB    NOT NULL -- the body, when it stands for all
) STRICT;
CREATE INDEX parked_by_number ON parked (node, epoch, number);

-- Leaves of the log in their order: a byte for the kind and the hash.
CREATE TABLE leaf (
    position INTEGER PRIMARY KEY,
    record   BLOB NOT NULL
) STRICT;

-- Hashes of the tree, in the order of tlog.StoredHashIndex.
CREATE TABLE tree (
    position INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL
) STRICT;

-- The logs that there have been. A hub that was restored from a copy opens another one;
-- only the last is continued.
CREATE TABLE log (
    epoch     INTEGER PRIMARY KEY,
    opening   BLOB    NOT NULL, -- signed by the root key; its hash is leaf 0
    opened_at INTEGER NOT NULL,
    size      INTEGER NOT NULL, -- of the last checkpoint
    note      BLOB    NOT NULL, -- the last checkpoint, signed; empty before the first
    cut_at    INTEGER NOT NULL
) STRICT;

-- The last co-signature of each witness. The note holds the checkpoint that it is of.
CREATE TABLE cosignature (
    node      INTEGER PRIMARY KEY REFERENCES node (id),
    log_epoch INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    note      BLOB    NOT NULL
) STRICT;

-- What people did at the hub itself. The leaf is the salted hash; erasing a person's data
-- empties salt and entry and leaves the log whole.
CREATE TABLE hub_entry (
    id    INTEGER PRIMARY KEY,
    leaf  INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    salt  BLOB,
    entry BLOB -- an encoded change of kind entry
) STRICT;
