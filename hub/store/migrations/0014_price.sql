-- What an item is sold for and what it costs, by the day from which that holds. Rows are never changed or removed.
CREATE TABLE item_price (
    id         INTEGER PRIMARY KEY,
    sku        TEXT    NOT NULL,
    class      TEXT    NOT NULL CHECK (class IN ('price', 'cost')),
    amount     INTEGER NOT NULL CHECK (amount >= 0), -- of one base unit, in ten-thousandths of the company's currency
    from_day   TEXT    NOT NULL, -- business day of the headquarters, YYYY-MM-DD
    written_by TEXT    NOT NULL, -- who wanted it
    approver   TEXT    NOT NULL, -- empty where nobody had to approve
    request    TEXT    NOT NULL, -- the approval, empty where there was none
    written_at INTEGER NOT NULL,
    note       TEXT    NOT NULL  -- why
) STRICT;
CREATE INDEX item_price_of ON item_price (sku, class, from_day, id);
