//! A message that reached nobody: the record says so, and whoever can do something about it hears of it.

use serde_json::json;

use super::DeskError;
use super::batch::Batch;
use super::occasion::shorten;
use super::said::Said;
use crate::rules::escalation::leads;
use crate::rules::notice::Kind;
use crate::rules::ticket::{Actor, Fact};
use crate::store::TicketKey;

/// How much of what did not arrive is quoted, in characters.
const QUOTED: usize = 300;

/// A message that could not be delivered by any way: it stays visible, the record says so, and the engineers hear of it, or
/// where they have no conversation the engineer of the ticket and the lead. `came_back`: it had been taken before.
pub(super) async fn undelivered(
    batch: &mut Batch<'_>,
    key: &TicketKey,
    said: &Said,
    conversation: &str,
    problem: &str,
    came_back: bool,
) -> Result<(), DeskError> {
    let fact = Fact {
        kind: "undelivered",
        by: Actor::desk(),
        at: batch.now,
        text: problem.to_owned(),
        data: json!({ "to": conversation, "kinds": said.kinds }),
    };
    batch.record(&key.contract, key.number, &fact).await?;
    // Of the failure of such a notice nobody is told: two broken conversations would tell each other for ever.
    if said.failure {
        return Ok(());
    }
    let no = format!("#{}", key.number);
    let words = if came_back {
        // The account is what a person can call or write to; the channel's name says where it was tried.
        let address = conversation.split_once(':').map_or(conversation, |(_, rest)| rest.trim_start_matches("user:"));
        batch.words(
            "status.bounced",
            json!({ "no": no, "to": address, "why": problem, "text": shorten(&said.text(), QUOTED) }),
        )
    } else {
        batch.words("status.undelivered", json!({ "no": no, "to": conversation, "text": said.text() }))
    };
    let mut notice = Said::new(Kind::Status, words);
    notice.ticket = Some(key.clone());
    notice.failure = true;
    let engineers = batch.engineers_conversations(&key.contract);
    if !engineers.is_empty() {
        for at in engineers.iter().filter(|at| *at != conversation) {
            let mut notice = notice.clone();
            // Who was not reached alone may still be rung for here.
            notice.mentions = batch.accounts_in(at, said.person.as_slice());
            batch.say(at, notice);
        }
        return Ok(());
    }
    let directory = batch.library.directory.clone();
    let engineer = batch.ticket(key).and_then(|t| t.engineer.as_ref()).map(|engineer| engineer.id.clone());
    let mut people: Vec<String> = engineer.into_iter().chain(leads(&directory, &key.contract)).collect();
    people.dedup();
    batch.load_shut().await?;
    for id in people {
        let Some(person) = directory.person(&id) else { continue };
        let mut ways = batch.ways_of(person);
        ways.retain(|way| way != conversation);
        let Some(first) = ways.first().cloned() else { continue };
        let mut notice = notice.clone();
        notice.person = Some(id);
        notice.ways = ways;
        batch.say(&first, notice);
    }
    Ok(())
}
