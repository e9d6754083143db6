//! Language: a text and its context in, an intent out.
//!
//! The border this crate keeps: no input or output, no clock, no database, no knowledge of tickets
//! or contracts. A contract reaches it only as [`LexiconSource`]: names, aliases and words. What a
//! deployment may want to change without a compiler stands in `data/*.toml`.
//!
//! ```
//! use zhishou_intents::{route, Context, Intent, CommandName, Lexicon, LexiconSource, Speaker};
//!
//! let lexicon = Lexicon::new(&LexiconSource::default());
//! let engineer = Context { speaker: Speaker::Engineer, ..Context::default() };
//! let routing = route("3号我来", &engineer, &lexicon, None);
//! let Intent::Command(command) = &routing.intent else { panic!("{routing:?}") };
//! assert_eq!(command.name, CommandName::Claim);
//! assert_eq!(command.ticket.as_ref().map(|ticket| ticket.number), Some(3));
//!
//! // The same digits from a requester are the third floor, not ticket 3.
//! let routing = route("3楼的打印机坏了", &Context::default(), &lexicon, None);
//! assert_eq!(routing.route(), "ticket");
//! ```

mod arguments;
mod colloquial;
mod command;
mod cues;
pub mod encoder;
pub mod eval;
mod faq;
mod fold;
mod followup;
mod gate;
mod grammar;
mod intent;
pub mod learn;
mod lexicon;
mod mask;
mod normalise;
mod parse;
mod route;
mod severity;
mod slots;
mod speech;
mod talk;
mod terms;
mod ticket;
mod typo;

pub use arguments::duration_minutes;
pub use command::{Command, CommandName, TicketRef, Who};
pub use faq::{Band, FaqEntry, FaqIndex, Hit};
pub use intent::{Context, FollowUp, Intent, Place, Routing, SeverityGuess, Speaker};
pub use lexicon::{CategoryTerms, Lexicon, LexiconSource, SeverityTerms, SystemTerms};
pub use mask::{MaskRules, mask};
pub use normalise::{Normal, normalise};
pub use route::{route, route_filtered};
pub use slots::{Slot, SlotKind, slots};
