//! WeChat Work with the whole desk behind it: the stories of a ticket over every surface, what the platform does to them,
//! callbacks of strangers, and what an administrator is told of his configuration.
//!
//! Which story has a ticket's whole life (asked, card, claimed, progress, solved, confirmed, rated) under which trouble:
//!
//! | trouble | line (`trouble`) | bot by callbacks (`callbacks`) | application (`trouble`, `callbacks`) |
//! | --- | --- | --- | --- |
//! | none | `tickets::a_ticket_lives_over_…` | `a_ticket_lives_by_callbacks_…` (groups, single chats, with the application) | `tickets::a_ticket_lives_with_…` |
//! | token expired, withdrawn | `tokens_that_expire_beside_the_line…` | `tokens_that_expire_…_beside_the_bot` | `tokens_that_expire_before_every_step…` |
//! | 45009 | `a_limit_of_the_line…` | `a_limit_of_every_way_out…`, `what_a_robot_may_not_say_now…` | `a_limit_of_the_application…` |
//! | 846609 | `a_lost_subscription…` | there is none | there is none |
//! | cut before a receipt | `a_line_cut_before_the_receipt…` | `an_answer_of_a_robot_that_was_lost…` | `an_answer_of_the_application_that_was_lost…` |
//! | cut within a reply | `a_line_cut_within_an_answer…` | one frame an answer | `adapters/tests/channels/wecom/app.rs` |
//! | dropped between steps | `a_line_dropped_between_all_steps…` | nothing stands | nothing stands |
//! | everything twice | `everything_the_line_gives_twice…` | `callbacks_that_all_come_twice…` | `everything_the_line_gives_twice…` |
//! | restart | `a_desk_that_restarts_between…` | `a_desk_that_restarts_before_every_step…` | `a_desk_that_restarts_between…` |
//! | a second desk | `two_desks_on_one_database…` | `two_desks_that_are_posted_to_in_turn…`, `a_card_changes_though…` | `two_applications_instances…` |
//! | taken over | `a_second_desk_takes_the_line_over…`, `a_strangers_connection…` | `a_second_desk_goes_on…` | as by callbacks |
//!
//! A group has no buttons by callbacks (wecom.md 5.6), so there the card's words are typed; a reply is one finished frame,
//! never a stream left open: the desk decides within milliseconds, and what it has nothing to say to could not end one.

mod attached;
mod callbacks;
mod cards;
mod checked;
mod names;
mod people;
mod strangers;
mod support;
mod tickets;
mod trouble;
