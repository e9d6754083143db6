-- The desk's tables. Portable columns only: TEXT and INTEGER (BIGINT on PostgreSQL); every column NOT NULL with a
-- meaningful default, instants in milliseconds since 1970 (0: none). Both folders hold the same names and columns.

-- People, conversations, domains, shifts, swaps, maintenance windows and FAQ entries: small, read as a whole.
CREATE TABLE directory (
    kind TEXT NOT NULL,
    key  TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- Every message that came in, once, with what became of it.
CREATE TABLE inbox (
    id             TEXT PRIMARY KEY NOT NULL,
    channel        TEXT NOT NULL,
    external_id    TEXT NOT NULL,
    conversation   TEXT NOT NULL,
    sender         TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    body           TEXT NOT NULL,
    disposition    TEXT NOT NULL DEFAULT '',
    ticket         TEXT NOT NULL DEFAULT '',
    why            TEXT NOT NULL DEFAULT '',
    done_at_ms     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX inbox_once ON inbox (channel, external_id);
CREATE INDEX inbox_pending ON inbox (id) WHERE disposition = '';
CREATE INDEX inbox_conversation ON inbox (conversation, id);

-- One row a ticket: what is looked up stands in columns, the rest in the body.
CREATE TABLE ticket (
    id              TEXT PRIMARY KEY NOT NULL,
    contract        TEXT NOT NULL,
    number          INTEGER NOT NULL,
    state           TEXT NOT NULL,
    conversation    TEXT NOT NULL,
    requester       TEXT NOT NULL DEFAULT '',
    engineer        TEXT NOT NULL DEFAULT '',
    system          TEXT NOT NULL DEFAULT '',
    opened_at_ms    INTEGER NOT NULL,
    recent_until_ms INTEGER NOT NULL,
    alarm_at_ms     INTEGER NOT NULL DEFAULT 0,
    version         INTEGER NOT NULL,
    body            TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX ticket_number ON ticket (contract, number);
CREATE INDEX ticket_conversation ON ticket (conversation, recent_until_ms);
CREATE INDEX ticket_requester ON ticket (conversation, requester, recent_until_ms);
CREATE INDEX ticket_engineer ON ticket (engineer, recent_until_ms) WHERE engineer <> '';
CREATE INDEX ticket_alarm ON ticket (alarm_at_ms) WHERE alarm_at_ms > 0;
CREATE INDEX ticket_like ON ticket (contract, system, opened_at_ms) WHERE system <> '';
CREATE INDEX ticket_live ON ticket (contract, state, opened_at_ms) WHERE state IN ('open', 'claimed', 'suspended', 'resolved');

-- The record: append-only, chained by hash within a contract.
CREATE TABLE event (
    contract TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    ticket   INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    body     TEXT NOT NULL,
    hash     TEXT NOT NULL,
    PRIMARY KEY (contract, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_ticket ON event (contract, ticket, seq);

-- Where a contract's counts stand: last ticket number, last event and its hash.
CREATE TABLE counter (
    contract TEXT PRIMARY KEY NOT NULL,
    tickets  INTEGER NOT NULL DEFAULT 0,
    events   INTEGER NOT NULL DEFAULT 0,
    hash     TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Everything the desk says. `key` is unique: a step that is decided twice is said once. `free` is 1 for what has other
-- ways to go: it waits behind nothing.
CREATE TABLE outbox (
    id              TEXT PRIMARY KEY NOT NULL,
    key             TEXT NOT NULL,
    conversation    TEXT NOT NULL,
    ticket          TEXT NOT NULL DEFAULT '',
    kind            TEXT NOT NULL,
    merge_key       TEXT NOT NULL DEFAULT '',
    state           TEXT NOT NULL DEFAULT 'ready',
    created_at_ms   INTEGER NOT NULL,
    send_at_ms      INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    free            INTEGER NOT NULL DEFAULT 0,
    claimed_by      TEXT NOT NULL DEFAULT '',
    claimed_until_ms INTEGER NOT NULL DEFAULT 0,
    taken_at_ms     INTEGER NOT NULL DEFAULT 0,
    external_id     TEXT NOT NULL DEFAULT '',
    problem         TEXT NOT NULL DEFAULT '',
    body            TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_key ON outbox (key);
CREATE INDEX outbox_due ON outbox (send_at_ms, id) WHERE state IN ('ready', 'sending', 'perhaps', 'looking');
CREATE INDEX outbox_held ON outbox (claimed_until_ms) WHERE claimed_until_ms > 0;
CREATE INDEX outbox_lane ON outbox (conversation, id) WHERE state IN ('ready', 'sending', 'perhaps', 'looking');
CREATE INDEX outbox_merge ON outbox (merge_key) WHERE state = 'ready' AND merge_key <> '';
CREATE INDEX outbox_external ON outbox (conversation, external_id) WHERE external_id <> '';
CREATE INDEX outbox_ticket ON outbox (ticket, id) WHERE ticket <> '';
CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'failed';

-- Questions the desk has asked and waits to have answered.
CREATE TABLE dialogue (
    key           TEXT PRIMARY KEY NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    body          TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Things done once in a while: refusals said today, clock offset, positions, what was offered.
CREATE TABLE mark (
    key      TEXT PRIMARY KEY NOT NULL,
    until_ms INTEGER NOT NULL DEFAULT 0,
    value    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Who holds what only one instance may hold.
CREATE TABLE lease (
    name     TEXT PRIMARY KEY NOT NULL,
    holder   TEXT NOT NULL,
    fence    INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
