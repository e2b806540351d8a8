-- To which key of each node people are sealed, by the node's own signed word. Without a row the node has not said yet: nothing about people is told to it.
CREATE TABLE node_sealing (
    node   INTEGER PRIMARY KEY REFERENCES node (id),
    key    BLOB    NOT NULL, -- X25519, 32 bytes; empty: enrolled before there were such keys, so that its warehouse is told in the clear until it says one
    at     INTEGER NOT NULL  -- when it was said, Unix milliseconds
) STRICT;
INSERT INTO node_sealing (node, key, at) SELECT id, x'', 0 FROM node WHERE warehouse <> '' AND length(public_key) > 0;

-- To whom the last word was sealed: names of keys (access.ReaderID), 16 bytes each; empty for a word in the clear.
ALTER TABLE rights_word ADD COLUMN readers BLOB NOT NULL DEFAULT x'';
