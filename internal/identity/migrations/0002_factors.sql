-- Second factors, roles, activation, notices. Names of accounts in these tables are folded. Times are Unix
-- milliseconds; those that may be missing are NULL.

ALTER TABLE account ADD COLUMN display TEXT NOT NULL DEFAULT '';      -- what the person is called
ALTER TABLE account ADD COLUMN password_at INTEGER NOT NULL DEFAULT 0; -- when the password was chosen; password is '' until then
ALTER TABLE account ADD COLUMN disabled_at INTEGER;
ALTER TABLE account ADD COLUMN seen_at INTEGER;                        -- last sign-in
ALTER TABLE account ADD COLUMN needs_factor INTEGER NOT NULL DEFAULT 0; -- 1: may not work without a second factor
UPDATE account SET password_at = made_at;

CREATE TABLE account_role (
    account TEXT NOT NULL,
    role    TEXT NOT NULL, -- an id of the permission model, not looked into here
    PRIMARY KEY (account, role)
) STRICT, WITHOUT ROWID;

-- The one account of a store that has any was made with the one-time code.
INSERT INTO account_role (account, role) SELECT folded, 'system-administrator' FROM account;
INSERT INTO account_role (account, role) SELECT folded, 'operations' FROM account;

CREATE TABLE account_warehouse (
    account   TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    PRIMARY KEY (account, warehouse)
) STRICT, WITHOUT ROWID;

-- Passwords that were given up, so that they are not chosen again.
CREATE TABLE account_password (
    account  TEXT    NOT NULL,
    at       INTEGER NOT NULL, -- when it was given up
    password TEXT    NOT NULL,
    PRIMARY KEY (account, at)
) STRICT, WITHOUT ROWID;

-- One-time codes with which a person chooses a password: one for each account at most.
CREATE TABLE account_activation (
    account TEXT PRIMARY KEY,
    code    BLOB    NOT NULL UNIQUE, -- SHA-256
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_factor (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account      TEXT    NOT NULL,
    kind         TEXT    NOT NULL, -- 'totp'
    secret       BLOB    NOT NULL, -- of kind totp the shared secret
    counter      INTEGER NOT NULL DEFAULT 0, -- the last one that was used: each code works once
    made_at      INTEGER NOT NULL,
    confirmed_at INTEGER,          -- NULL while the person has not shown that it works
    used_at      INTEGER
) STRICT;
CREATE INDEX account_factor_account ON account_factor (account);

CREATE TABLE account_recovery (
    code    BLOB PRIMARY KEY, -- SHA-256 of 120 random bits
    account TEXT    NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX account_recovery_account ON account_recovery (account);

-- Sign-ins whose password was right and whose second factor is waited for.
CREATE TABLE account_half (
    token   BLOB PRIMARY KEY, -- SHA-256 of the secret that the browser has
    account TEXT    NOT NULL,
    made_at INTEGER NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Everybody signs in anew: sessions have learned more about themselves.
DROP TABLE session;
CREATE TABLE session (
    token    BLOB PRIMARY KEY, -- SHA-256 of the secret that the browser has
    public   TEXT    NOT NULL UNIQUE, -- name for the audit trail
    account  TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    device   TEXT    NOT NULL, -- in words, such as "Chrome · Windows"
    factor   TEXT    NOT NULL, -- what the sign-in was completed with: password, totp, recovery
    made_at  INTEGER NOT NULL,
    used_at  INTEGER NOT NULL,
    fresh_at INTEGER NOT NULL  -- when a factor was last given
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account);

-- What a person is told about their account.
CREATE TABLE account_notice (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL, -- key of its text below "notice."
    args    TEXT    NOT NULL, -- JSON object of texts
    seen_at INTEGER
) STRICT;
CREATE INDEX account_notice_account ON account_notice (account, seen_at);

-- From where, with what and when a person usually signs in.
CREATE TABLE account_habit (
    account TEXT    NOT NULL,
    kind    TEXT    NOT NULL, -- 'device', 'network', 'hour'
    value   TEXT    NOT NULL,
    times   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (account, kind, value)
) STRICT, WITHOUT ROWID;
