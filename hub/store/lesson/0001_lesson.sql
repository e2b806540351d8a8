-- Security lessons: what the company has written itself, who has to take what until when, and every try of a quiz. Accounts are
-- named in the form in which they are told apart. Times are Unix milliseconds, days are dates.

-- Lessons of the company, edition by edition. None is ever changed: the newest counts.
CREATE TABLE lesson_own (
    id         TEXT    NOT NULL,
    version    INTEGER NOT NULL, -- from 1
    body       TEXT    NOT NULL, -- lessons.Lesson as JSON
    withdrawn  INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
    written_by TEXT    NOT NULL,
    written_at INTEGER NOT NULL,
    PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE lesson_assignment (
    id       INTEGER PRIMARY KEY,
    lesson   TEXT    NOT NULL,
    roles    TEXT    NOT NULL, -- space between them; empty for everybody
    days     INTEGER NOT NULL, -- within which it is due; 0 where due says when
    due      TEXT    NOT NULL, -- a date, or empty
    every    INTEGER NOT NULL, -- days after which it is due again; 0 for never
    again    INTEGER NOT NULL CHECK (again IN (0, 1)), -- who has passed before it was made has to pass once more
    made_by  TEXT    NOT NULL,
    made_at  INTEGER NOT NULL,
    ended_by TEXT    NOT NULL DEFAULT '',
    ended_at INTEGER NOT NULL DEFAULT 0 -- while it counts
) STRICT;

-- Since when somebody is meant by an assignment: since it was made, since they joined, since they got the role.
CREATE TABLE lesson_duty (
    assignment INTEGER NOT NULL REFERENCES lesson_assignment (id),
    account    TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (assignment, account)
) STRICT, WITHOUT ROWID;

-- Tries of a quiz. One that has ended is never changed.
CREATE TABLE lesson_try (
    id        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    account   TEXT    NOT NULL,
    lesson    TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    content   BLOB    NOT NULL, -- SHA-256 of the lesson
    drawn     TEXT    NOT NULL, -- order of questions and answers, JSON
    begun_at  INTEGER NOT NULL,
    given     TEXT    NOT NULL DEFAULT '', -- answers, JSON
    hits      INTEGER NOT NULL DEFAULT 0,
    questions INTEGER NOT NULL,
    passed    INTEGER NOT NULL DEFAULT 0 CHECK (passed IN (0, 1)),
    ended_at  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX lesson_try_account ON lesson_try (account, lesson, ended_at);

-- What a person was reminded of, so that nobody is told twice.
CREATE TABLE lesson_told (
    account TEXT    NOT NULL,
    lesson  TEXT    NOT NULL,
    due     TEXT    NOT NULL,
    stage   TEXT    NOT NULL, -- 'soon' or 'overdue'
    told_at INTEGER NOT NULL,
    PRIMARY KEY (account, lesson, due, stage)
) STRICT, WITHOUT ROWID;
