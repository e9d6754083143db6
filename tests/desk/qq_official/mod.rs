//! The official QQ bot with the whole desk behind it: what goes out when and by which right, what waits, and what people
//! see meanwhile.

mod checked;
mod people;
mod support;
mod windows;
