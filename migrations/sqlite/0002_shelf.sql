-- What channels keep across restarts: cards by task, one-use addresses, tokens, limits. `channel` keeps them apart.
CREATE TABLE shelf (
    channel  TEXT NOT NULL,
    key      TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    value    TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (channel, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX shelf_until ON shelf (until_ms);

-- Looking for a message in doubt asks which of the platform's ids are accounted for.
CREATE INDEX outbox_taken ON outbox (conversation, taken_at_ms) WHERE external_id <> '';
