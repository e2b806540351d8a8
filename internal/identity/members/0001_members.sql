-- Accounts that the hub has written and this store only repeats, at a node. They are changed at the hub alone.
CREATE TABLE account_member (
    account TEXT PRIMARY KEY, -- folded
    heard   BLOB NOT NULL     -- SHA-256 of what the hub said last
) STRICT, WITHOUT ROWID;
