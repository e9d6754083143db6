//! What the channel has counted since it was built, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// See the module.
        #[derive(Debug, Default)]
        pub struct Counts {
            $($(#[$about])* pub $name: AtomicU64,)*
        }

        impl Counts {
            /// By name, as metrics want them.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counts! {
    /// Messages that a gateway took as a whole.
    messages_sent,
    /// Parts that a gateway took: what is paid for.
    segments_sent,
    /// Messages that had to be shortened.
    messages_cut,
    /// Reports that a part arrived.
    reports_delivered,
    /// Final reports that a part did not arrive.
    reports_failed,
    /// Urgent messages that no report confirmed in time.
    reports_overdue,
    /// Reports about nothing we know of.
    reports_unknown,
    /// Texts handed to the desk.
    texts_received,
    /// Opt-outs among them.
    opt_outs,
    /// Empty ones and those that hold no text, acknowledged and left.
    texts_unreadable,
    /// Deliveries that could not be stored and were left for the gateway to repeat.
    not_stored,
    /// Parts of long texts that were stored.
    fragments_stored,
    /// Long texts handed on with parts missing.
    texts_incomplete,
    /// Callbacks that were taken.
    callback_accepted,
    /// Callbacks with a wrong signature, key, time or nonce.
    callback_forged,
    /// Callbacks that could not be read.
    callback_malformed,
}

/// One more, or several.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
