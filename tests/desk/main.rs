//! One binary: stories, laws, real peers, and the walls.

mod clock;
