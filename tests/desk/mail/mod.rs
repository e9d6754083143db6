//! Stories over mail: real servers, the whole desk.

mod inspecting;
