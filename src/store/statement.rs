//! Every SQL statement has a name and one text per engine, and is listed: a test prepares the whole list on both.
//!
//! Most texts are the same on SQLite and PostgreSQL. A statement "of rows" takes its rows as one JSON array, so that
//! a batch of any size is one statement; only the function that unfolds the array differs between the engines.

/// Which database this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file, one writer.
    Sqlite,
    /// A server, several instances.
    Postgres,
}

/// A named statement.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// Name, for errors and tests.
    pub name: &'static str,
    /// Text for SQLite.
    pub sqlite: &'static str,
    /// Text for PostgreSQL.
    pub postgres: &'static str,
}

impl Statement {
    /// The text for an engine.
    pub fn on(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }
}

/// Declares statements: `NAME = "text"` for one text, `NAME = "a" rows "b"` where `rows` stands for the unfolded JSON array
/// `$1` (each row is `r.value`, its fields `r.value ->> 0`), `NAME = "a" locked ""` and `NAME = "a" hold ""` for
/// `FOR UPDATE SKIP LOCKED` and `FOR UPDATE` on PostgreSQL; `rows` and `locked` may follow each other.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $first:literal $($kind:ident $second:literal)*;)+) => {
        $($(#[$doc])* pub(super) const $name: $crate::store::statement::Statement =
            statements!(@one $name, $first $(, $kind, $second)*);)+
        pub(super) const ALL: &[$crate::store::statement::Statement] = &[$($name),+];
    };
    (@one $name:ident, $text:literal) => {
        $crate::store::statement::Statement { name: stringify!($name), sqlite: $text, postgres: $text }
    };
    (@one $name:ident, $before:literal, rows, $after:literal) => {
        $crate::store::statement::Statement {
            name: stringify!($name),
            sqlite: concat!($before, " json_each($1) AS r ", $after),
            postgres: concat!($before, " jsonb_array_elements(CAST(CAST($1 AS text) AS jsonb)) AS r(value) ", $after),
        }
    };
    (@one $name:ident, $before:literal, rows, $middle:literal, locked, $after:literal) => {
        $crate::store::statement::Statement {
            name: stringify!($name),
            sqlite: concat!($before, " json_each($1) AS r ", $middle, $after),
            postgres: concat!($before, " jsonb_array_elements(CAST(CAST($1 AS text) AS jsonb)) AS r(value) ", $middle,
                              " FOR UPDATE OF o SKIP LOCKED", $after),
        }
    };
    (@one $name:ident, $before:literal, hold, $after:literal) => {
        $crate::store::statement::Statement {
            name: stringify!($name),
            sqlite: concat!($before, $after),
            postgres: concat!($before, " FOR UPDATE", $after),
        }
    };
    (@one $name:ident, $before:literal, locked, $after:literal) => {
        $crate::store::statement::Statement {
            name: stringify!($name),
            sqlite: concat!($before, $after),
            postgres: concat!($before, " FOR UPDATE SKIP LOCKED", $after),
        }
    };
}

pub(super) use statements;
