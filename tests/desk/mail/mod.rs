//! Mail with the whole desk behind it: what comes back, what machines and strangers write, threads, and the stories over
//! real servers.

mod bounces;
mod checked;
mod inspecting;
mod real;
pub mod support;
mod threads;
pub mod town;
mod trust;
