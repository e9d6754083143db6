//! The pure part of OneBot 11: no socket, no clock. Bytes and JSON in, values out.
//!
//! Source: botuniverse/onebot-11 and the observed behaviour of NapCat, go-cqhttp, Lagrange and LLOneBot.

mod event;
mod outgoing;
mod render;
mod segment;
mod wire;

pub use event::{Heard, HeardMessage, MANAGEMENT_BOT, Scope, Upload, decode_event, instant};
pub use outgoing::{MAX_PIECE_CHARS, clean, message_json, pieces};
pub use render::{Piece, Rendered, Viewpoint, cached_names, render};
pub use segment::{Segment, message_from_json, parse_cq, print_cq, words_of_segments};
pub use wire::{
    Access, Answer, Dialect, Frame, Role, Status, access, classify, compose_id, conversation_of, id_json, id_of,
    message_id_of, sign, verify,
};
