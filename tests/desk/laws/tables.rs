//! The borders, worked out by hand.
