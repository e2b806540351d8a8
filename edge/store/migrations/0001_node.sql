-- What a node keeps. Times are Unix milliseconds, hashes are SHA-256, quantities are
-- millionths of the base unit.
--
-- A change, a movement and a count have the id stream * 2^40 + number: the name that the change
-- has in the world (node, epoch, number) is found through the stream, and all changes of
-- a stream lie side by side in order.
--
-- A page of 2 KiB that a commit touches costs more than a statement: tables are laid out so that
-- a scan touches few, and no index is kept that only a rare question would need.

-- One row, once the node is enrolled: who it is and whom it believes.
CREATE TABLE enrolment (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    org         TEXT NOT NULL,
    node        TEXT NOT NULL,
    warehouse   TEXT NOT NULL,
    root        BLOB NOT NULL, -- offline key of the company, Ed25519
    seed        BLOB NOT NULL, -- of the node's own key; it never leaves this store
    certificate BLOB NOT NULL, -- DER
    authority   BLOB NOT NULL, -- DER
    page        BLOB NOT NULL, -- DER, empty when pages have their own certificate
    page_key    BLOB NOT NULL, -- PEM
    opening     BLOB NOT NULL,
    hub         TEXT NOT NULL, -- where certificates are renewed: https://HOST:PORT
    brokers     TEXT NOT NULL  -- mqtts://HOST:PORT, a line each
) STRICT;

-- One row: the node's end of the sync core (delivery.SenderState).
CREATE TABLE sync (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL, -- last batch cut
    hash        BLOB    NOT NULL,
    next        INTEGER NOT NULL, -- first change in no batch
    acked_epoch INTEGER NOT NULL,
    acked_seq   INTEGER NOT NULL,
    acked_hash  BLOB    NOT NULL,
    kept        INTEGER NOT NULL, -- last change in the acknowledged batch
    log_epoch   INTEGER NOT NULL,
    log_size    INTEGER NOT NULL,
    log_root    BLOB    NOT NULL,
    keys        BLOB    NOT NULL,
    frozen      TEXT    NOT NULL,
    evidence    BLOB    NOT NULL,
    asked       BLOB    NOT NULL,
    grant_bytes BLOB    NOT NULL,
    hub_time    INTEGER NOT NULL  -- the hub's clock at its last signed word
) STRICT;

-- The heads of the hub's log that this node has co-signed, the last of each log epoch.
CREATE TABLE head (
    epoch INTEGER PRIMARY KEY,
    size  INTEGER NOT NULL,
    note  BLOB    NOT NULL
) STRICT;

-- Grants of new epochs, to show to a hub that has lost them.
CREATE TABLE epoch_grant (
    epoch INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- The runs of change numbers: a node's epoch each. The last number seen is that of its last change.
CREATE TABLE stream (
    id    INTEGER PRIMARY KEY,
    node  TEXT    NOT NULL,
    epoch INTEGER NOT NULL,
    UNIQUE (node, epoch)
) STRICT;

-- The node's chain of batches, kept until a verified backup of the hub covers them.
CREATE TABLE batch (
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    signed BLOB    NOT NULL,
    body   BLOB    NOT NULL,
    PRIMARY KEY (epoch, seq)
) STRICT;

-- Own batches that came back from the hub, until the node adopts its new epoch.
CREATE TABLE returned (
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    hash   BLOB    NOT NULL,
    signed BLOB    NOT NULL,
    body   BLOB    NOT NULL,
    parked BLOB    NOT NULL, -- CBOR array of change numbers
    PRIMARY KEY (epoch, seq)
) STRICT;
