-- What label printers have to print, in the order in which it came. A job is written down together with what
-- it belongs to (the movement of a goods receipt); its bytes are made afterwards, once, and kept beside it.
--
-- A state is committed before the act that it announces: sending before the first byte leaves, so that what a
-- power cut finds in sending or sent may have been printed and is never sent again by itself.

CREATE TABLE print_job (
    id       INTEGER PRIMARY KEY,
    mark     TEXT    NOT NULL, -- random: with the number it names the job in the world, over restored copies too
    printer  TEXT    NOT NULL,
    station  TEXT    NOT NULL,
    template TEXT    NOT NULL,
    title    TEXT    NOT NULL, -- for people
    content  BLOB    NOT NULL, -- what the bytes are made of, JSON of who queued it; empty when they came with the job
    movement TEXT    NOT NULL, -- id; empty for none
    repeats  INTEGER NOT NULL, -- the job that this one prints again; 0 for none
    state    TEXT    NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'confirmed', 'unknown', 'cancelled')),
    asks     INTEGER NOT NULL CHECK (asks IN (0, 1)), -- a person has to look after it
    error    TEXT    NOT NULL, -- key of a text; empty for none
    args     TEXT    NOT NULL, -- of that text, JSON
    actor    TEXT    NOT NULL, -- who wanted it
    reason   TEXT    NOT NULL, -- why it is printed again
    settled  TEXT    NOT NULL, -- who said what became of it; empty for the printer
    queued   INTEGER NOT NULL, -- Unix milliseconds
    begun    INTEGER NOT NULL, -- when it was in sending; 0 for never
    ended    INTEGER NOT NULL  -- 0 for not yet
) STRICT;
CREATE INDEX print_job_open ON print_job (printer, id) WHERE state IN ('queued', 'sending', 'sent');
CREATE INDEX print_job_asks ON print_job (id) WHERE asks = 1;

CREATE TABLE print_data (
    job     INTEGER PRIMARY KEY,
    bytes   BLOB NOT NULL, -- in the printer's language
    picture BLOB NOT NULL  -- PNG of the label for people; empty for none
) STRICT;
