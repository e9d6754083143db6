//! WeChat Work with the whole desk behind it: the stories of a ticket over every surface, what the platform does to them,
//! callbacks of strangers, and what an administrator is told of his configuration.

mod cards;
mod checked;
mod people;
mod strangers;
mod support;
mod tickets;
mod trouble;
