//! Prints the figures of the evaluation files: `figures DIR`.

use std::fs;
use zhishou_intents::{FaqEntry, FaqIndex, Lexicon, eval, route};

fn lines(path: &str) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let verbose = std::env::args().nth(2);
    for set in ["domain", "lcqmc"] {
        let base: Vec<FaqEntry> = lines(&format!("{dir}/faq_base.jsonl"))
            .into_iter()
            .filter(|v| v["set"] == set)
            .map(|v| serde_json::from_value(v).unwrap())
            .collect();
        let queries: Vec<(String, Option<String>)> = lines(&format!("{dir}/faq_queries.jsonl"))
            .into_iter()
            .filter(|v| v["set"] == set)
            .map(|v| (v["text"].as_str().unwrap().to_owned(), v["id"].as_str().map(str::to_owned)))
            .collect();
        println!("{set} {}", serde_json::to_string(&eval::faq(&base, &queries)).unwrap());
        if set != "domain" {
            continue;
        }
        let index = FaqIndex::build(&base);
        if verbose.as_deref() == Some("dump") {
            for (text, id) in &queries {
                let hits = index.search(text, 3, &|_| true);
                println!("DUMP\t{}\t{:?}\t{:?}\t{}", text, id, hits.first().map(|h| h.id.clone()), index.explain(text, &hits));
            }
        }
        let rows: Vec<eval::RouteLine> = fs::read_to_string(format!("{dir}/route.jsonl")).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        for faq in [None, Some(&index)] {
            println!("route {}", serde_json::to_string(&eval::route(&rows, faq)).unwrap());
        }
        if verbose.as_deref() == Some("miss") {
            for row in &rows {
                let r = route(&row.text, &eval::context_of(row), Lexicon::general(), Some(&index));
                if r.route() != row.route {
                    println!("MISS {}->{} {:.2} {:?} also{:?} open={} {} | {} | {:?}", row.route, r.route(), r.confidence, r.second, row.also, row.open_ticket, row.sender, row.text, r.why);
                }
                let want = row.severity.clone();
                let grave = |s: &str| s == "A" || s == "B";
                if row.route == "ticket" && (want.as_deref().is_some_and(grave) != r.severity.as_ref().is_some_and(|g| grave(&g.id))) {
                    println!("SEV {:?} got {:?} {}", want, r.severity, row.text);
                }
                if row.category.is_some() && row.category != r.category {
                    println!("CAT {:?} got {:?} {}", row.category, r.category, row.text);
                }
                if row.route == "chitchat" && r.speak {
                    println!("SPOKE {} {:?}", row.text, r.intent);
                }
            }
        }
    }
}
