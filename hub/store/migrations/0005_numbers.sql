-- Ranges of numbers for SSCCs and serial numbers, granted to a node in one of its epochs. A range is never
-- granted again, so that no number is used twice.
CREATE TABLE number_block (
    id        INTEGER PRIMARY KEY,
    node      TEXT    NOT NULL,
    epoch     INTEGER NOT NULL,
    log_epoch INTEGER NOT NULL,
    prefix    TEXT    NOT NULL, -- GS1 Company Prefix, empty for none
    first     INTEGER NOT NULL,
    count     INTEGER NOT NULL CHECK (count > 0),
    used      INTEGER NOT NULL, -- as far as the node has told
    UNIQUE (prefix, first)
) STRICT;
CREATE INDEX number_block_of_node ON number_block (node, id);
