//! The scripted scenarios of the sheet: each is played by the test that shows it, and none is left out.

use serde_json::Value;

use super::{bot, bot_cards, line};

#[test]
fn every_scripted_scenario_is_played() {
    let all: Value = serde_json::from_str(include_str!("../../vectors/wecom.json")).unwrap();
    let cases = all["aibot_scenarios"]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        match case["id"].as_str().unwrap() {
            "plain-reply" => bot::a_message_is_stored_and_answered_by_one_finished_stream(),
            "duplicate" => bot::a_repeated_callback_is_the_same_message(),
            "bad-secret" => line::wrong_credentials_are_told_and_not_tried_in_a_loop(),
            "dead-peer" => line::a_line_that_answers_no_ping_is_replaced(),
            "kicked" => line::who_is_kicked_gives_up_the_lease_and_waits_a_minute(),
            "not-subscribed" => bot::a_lost_subscription_is_renewed_and_the_message_said_once(),
            "stale-request-after-reconnect" => {
                bot::after_a_reconnect_the_answer_is_pushed();
                bot::an_answer_that_is_refused_is_pushed_instead();
            }
            // There is never an open stream to expire; the refusal itself leads to a push.
            "stream-expired" => bot::an_answer_that_is_refused_is_pushed_instead(),
            "command-conflict" => bot::what_passes_is_repeated_and_no_more_often_than_it_should(),
            "ack-lost" => bot::a_lost_acknowledgement_is_a_perhaps_and_pings_flow_meanwhile(),
            "rate" => bot::the_thirty_first_in_a_minute_waits_without_asking_the_platform(),
            "card-click-late" => bot_cards::a_card_that_can_no_longer_be_changed_is_left_without_a_word(),
            "double-click" => bot_cards::two_who_press_at_once_both_see_who_was_first(),
            other => panic!("nobody plays {other}"),
        }
    }
}
