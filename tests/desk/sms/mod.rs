//! Texts with the whole desk behind them.

mod last_way;
