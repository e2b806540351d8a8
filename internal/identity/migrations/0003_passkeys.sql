-- Passkeys (WebAuthn) as second factors; badges and PINs for stations. Times are Unix milliseconds.

-- Of kind 'passkey' in account_factor: secret is the public key (COSE), counter the signature counter.
ALTER TABLE account_factor ADD COLUMN name TEXT NOT NULL DEFAULT '';   -- what the person calls it
ALTER TABLE account_factor ADD COLUMN credential BLOB;                  -- the credential's id
ALTER TABLE account_factor ADD COLUMN flags INTEGER NOT NULL DEFAULT 0; -- of the authenticator data, as last seen
ALTER TABLE account_factor ADD COLUMN transports TEXT NOT NULL DEFAULT ''; -- space between them
CREATE UNIQUE INDEX account_factor_credential ON account_factor (credential) WHERE credential IS NOT NULL;

ALTER TABLE account ADD COLUMN handle BLOB; -- random user handle, made with the first passkey

-- Questions to authenticators that wait for their answer. Each is asked of one half-done sign-in or one session, and goes with the first answer.
CREATE TABLE account_challenge (
    bound   TEXT    NOT NULL, -- 'half ' and the SHA-256 of its secret in hexadecimal, or 'session ' and its public name
    purpose TEXT    NOT NULL, -- 'use' or 'enrol'
    account TEXT    NOT NULL,
    data    TEXT    NOT NULL, -- JSON of the WebAuthn library's SessionData
    made_at INTEGER NOT NULL,
    PRIMARY KEY (bound, purpose)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_badge (
    account TEXT PRIMARY KEY, -- one badge for each at most
    badge   BLOB    NOT NULL UNIQUE, -- SHA-256 of 90 random bits
    public  TEXT    NOT NULL, -- name for the audit trail
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account_pin (
    account TEXT PRIMARY KEY,
    pin     TEXT    NOT NULL, -- Argon2id, PHC text
    set_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
