-- People who leave: what had to be ended and handed over, and by whom it was. Accounts are named in the form in which they are told apart.
-- Times are Unix milliseconds.
CREATE TABLE leaver (
    id          INTEGER PRIMARY KEY,
    account     TEXT    NOT NULL,
    name        TEXT    NOT NULL, -- of the account, as it was chosen
    display     TEXT    NOT NULL,
    warehouses  TEXT    NOT NULL, -- where the person worked, space between them
    last_day    TEXT    NOT NULL, -- a date
    started_by  TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_by    TEXT    NOT NULL DEFAULT '',
    ended_at    INTEGER NOT NULL DEFAULT 0, -- while it goes on
    outcome     TEXT    NOT NULL DEFAULT '', -- 'finished' or 'cancelled'
    summary     TEXT    NOT NULL DEFAULT ''  -- leavers.Summary as JSON
) STRICT;
CREATE UNIQUE INDEX leaver_open ON leaver (account) WHERE ended_at = 0;

-- What was done about each item, in order. None is ever changed: the newest counts.
CREATE TABLE leaver_step (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    leaver  INTEGER NOT NULL REFERENCES leaver (id),
    item    TEXT    NOT NULL,
    outcome TEXT    NOT NULL, -- 'done' by the program; 'collected', 'none' or 'handed_over' by a person
    note    TEXT    NOT NULL,
    done_by TEXT    NOT NULL,
    done_at INTEGER NOT NULL
) STRICT;
CREATE INDEX leaver_step_leaver ON leaver_step (leaver, id);

-- Whether the nodes of a leaver's warehouses have heard that the account is disabled.
CREATE TABLE leaver_node (
    leaver    INTEGER NOT NULL REFERENCES leaver (id),
    node      TEXT    NOT NULL,
    feed      TEXT    NOT NULL,
    seq       INTEGER NOT NULL, -- of the news after which it has heard; -1 while nothing was said to it
    log_epoch INTEGER NOT NULL DEFAULT 0, -- of version
    version   INTEGER NOT NULL DEFAULT 0, -- of the feed that holds the news; 0 while that was not cut
    heard_at  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (leaver, node)
) STRICT, WITHOUT ROWID;

-- How far each node says that it has read each feed.
CREATE TABLE feed_read (
    node      TEXT    NOT NULL,
    feed      TEXT    NOT NULL,
    log_epoch INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    read_at   INTEGER NOT NULL, -- when it first said so
    PRIMARY KEY (node, feed)
) STRICT, WITHOUT ROWID;
