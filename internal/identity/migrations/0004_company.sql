-- Accounts that are linked to one at the company's identity provider (OpenID Connect). Times are Unix milliseconds.

CREATE TABLE account_link (
    account TEXT PRIMARY KEY, -- one link for each at most
    issuer  TEXT    NOT NULL, -- as the provider's tokens name it
    subject TEXT    NOT NULL, -- of the provider's account; means nothing without the issuer
    label   TEXT    NOT NULL, -- what the provider calls its person; for people to read, nothing is found by it
    made_at INTEGER NOT NULL,
    used_at INTEGER,
    UNIQUE (issuer, subject)
) STRICT, WITHOUT ROWID;

-- What came before the second factor of a sign-in: 'password' or 'company'.
ALTER TABLE account_half ADD COLUMN way TEXT NOT NULL DEFAULT 'password';
