-- Ranges of numbers that the hub granted, for SSCCs and serial numbers of our own. Numbers go up and are never given back: what was
-- taken for a label that was not printed is lost.
CREATE TABLE number_block (
    id          INTEGER PRIMARY KEY,
    epoch       INTEGER NOT NULL, -- of the node; another epoch's ranges are not touched
    prefix      TEXT    NOT NULL, -- GS1 Company Prefix, empty for none
    first       INTEGER NOT NULL,
    count       INTEGER NOT NULL CHECK (count > 0),
    next_sscc   INTEGER NOT NULL, -- next number, first + count when used up
    next_serial INTEGER NOT NULL,
    UNIQUE (prefix, first)
) STRICT;
