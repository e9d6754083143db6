//! Reading mail: a table of mails as clients write them, the charset table, hostile input.

mod hostile;
mod small;
mod table;
