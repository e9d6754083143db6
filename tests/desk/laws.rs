//! Laws of the promises: random histories of a ticket under the five shipped contracts, held against what the
//! contracts' common vocabulary says ("The kinds of promise", "What counts").
//!
//! Every law tries the same histories on every machine: the seed is the law's name. `ZHISHOU_LAWS_SEED` tries others and
//! `PROPTEST_CASES` more of them.

mod clocks;
mod endings;
mod found;
mod ledger;
mod outcomes;
mod ringing;
mod rounds;
mod tables;
mod world;
