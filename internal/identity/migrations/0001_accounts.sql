-- Accounts, sessions and failed attempts of package identity. Times are Unix milliseconds.
CREATE TABLE IF NOT EXISTS account (
    folded   TEXT PRIMARY KEY, -- the form under which names are told apart
    name     TEXT    NOT NULL,
    password TEXT    NOT NULL, -- Argon2id, PHC text
    made_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS session (
    token    BLOB PRIMARY KEY, -- SHA-256 of the secret that the browser has
    public   TEXT    NOT NULL, -- name for the audit trail
    account  TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    made_at  INTEGER NOT NULL,
    used_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Failures in a row, by what they are counted for, see throttle.go.
CREATE TABLE IF NOT EXISTS attempt (
    subject  TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
