-- Whom was told what about a review, so that nobody is told twice. Review 0 stands for there having been none.
CREATE TABLE review_told (
    review  INTEGER NOT NULL,
    account TEXT    NOT NULL,
    stage   TEXT    NOT NULL, -- 'started', 'week', 'day', 'overdue'; 'quarter' of the last one, when the next is due
    told_at INTEGER NOT NULL,
    PRIMARY KEY (review, account, stage)
) STRICT, WITHOUT ROWID;
