-- Suppliers and customers, and who has seen what is masked of anything.

-- A partner is what its newest version says; the columns here are for finding it. Nothing is ever removed.
CREATE TABLE partner (
    id       INTEGER PRIMARY KEY,
    code     TEXT    NOT NULL UNIQUE, -- our own, never changed
    keeper   TEXT    NOT NULL,        -- account that looks after it, as names are told apart; empty for none
    supplier INTEGER NOT NULL CHECK (supplier IN (0, 1)),
    customer INTEGER NOT NULL CHECK (customer IN (0, 1)),
    version  INTEGER NOT NULL         -- the newest
) STRICT;
CREATE INDEX partner_of_keeper ON partner (keeper, code);

-- Every version as it was written. Only erasing empties fields of it, in all of them.
CREATE TABLE partner_version (
    partner      INTEGER NOT NULL REFERENCES partner (id),
    version      INTEGER NOT NULL, -- from 1
    name         TEXT    NOT NULL, -- of the company
    name_en      TEXT    NOT NULL,
    contact      TEXT    NOT NULL, -- person
    phone        TEXT    NOT NULL,
    email        TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    tax_number   TEXT    NOT NULL,
    bank_name    TEXT    NOT NULL,
    bank_account TEXT    NOT NULL,
    terms        TEXT    NOT NULL,
    note         TEXT    NOT NULL,
    keeper       TEXT    NOT NULL, -- account as it was written
    supplier     INTEGER NOT NULL CHECK (supplier IN (0, 1)),
    customer     INTEGER NOT NULL CHECK (customer IN (0, 1)),
    active       INTEGER NOT NULL CHECK (active IN (0, 1)),
    written_by   TEXT    NOT NULL,
    written_at   INTEGER NOT NULL,
    erased_at    INTEGER NOT NULL DEFAULT 0, -- 0 while nothing was erased
    PRIMARY KEY (partner, version)
) STRICT, WITHOUT ROWID;

-- Who has seen which masked value of what, and why. The value itself stands nowhere here.
CREATE TABLE unmasking (
    id      INTEGER PRIMARY KEY,
    account TEXT    NOT NULL,
    folded  TEXT    NOT NULL, -- the account as names are told apart
    day     TEXT    NOT NULL, -- business day of the headquarters
    kind    TEXT    NOT NULL, -- of the thing, such as 'customer'
    subject TEXT    NOT NULL, -- which one
    field   TEXT    NOT NULL,
    class   INTEGER NOT NULL,
    purpose TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX unmasking_of_day ON unmasking (folded, day);

-- Who has met the limit of a day: it is told once.
CREATE TABLE unmasking_limit (
    folded TEXT NOT NULL,
    day    TEXT NOT NULL,
    PRIMARY KEY (folded, day)
) STRICT, WITHOUT ROWID;
