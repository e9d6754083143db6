//! The stand-in for WeChat Work, spoken to over the wire by a client of the tests' own.

mod app;
mod callback;
mod line;
mod robot;
mod support;

use zhishou_fakes::wecom::FakeWeCom;

use support::Clock;

const GROUP: &str = "wrGROUP0001";
const IN_GROUP: &str = "group:wrGROUP0001";

async fn begin() -> (FakeWeCom, Clock) {
    let clock = Clock::new();
    let wecom = FakeWeCom::start_with(clock.now()).await;
    wecom.group(GROUP, &[("WangKeZhang", "王科长"), ("ZhangGong", "张工"), ("LiGong", "李工")]);
    (wecom, clock)
}
