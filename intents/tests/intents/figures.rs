//! The figures themselves are counted right.

use crate::world::{entries, faq};
use zhishou_intents::eval::{self, RouteLine};

#[test]
fn the_figures_of_a_base_are_shares() {
    let query = |text: &str, id: Option<&str>| (text.to_owned(), id.map(str::to_owned));
    let figures = eval::faq(
        &entries(),
        &[query("如何重置登录密码", Some("f1")), query("目录怎么发布", Some("f3")), query("食堂今天吃什么", None)],
    );
    insta::assert_snapshot!(
        serde_json::to_string(&figures).unwrap(),
        @r#"{"n":3,"recall_at_1":1.0,"recall_at_3":1.0,"mrr":1.0,"answered":1.0,"false_answers":0.0,"precision":1.0}"#
    );
}

#[test]
fn the_figures_of_the_router_are_shares() {
    let line = |text: &str, route: &str, sender: &str| RouteLine {
        text: text.into(),
        route: route.into(),
        sender: sender.into(),
        ..RouteLine::default()
    };
    let figures = eval::route(
        &[
            line("认领 3", "command", "engineer"),
            line("登记系统打不开了", "ticket", "user"),
            line("谢谢", "chitchat", "user"),
            line("目录怎么发布", "faq", "user"),
        ],
        Some(&faq()),
    );
    insta::assert_snapshot!(
        format!("{} {} {} {}", figures.n, figures.accuracy, figures.spoken, figures.missed),
        @"4 1 0 0"
    );
    assert!(figures.f1["command"] > 0.99);
}
