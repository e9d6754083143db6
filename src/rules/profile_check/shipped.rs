//! The profiles that come with the product. The only file that knows their names: everything else takes them from here.

use crate::rules::profile::Profile;

const SHIPPED: [(&str, &str); 5] = [
    ("xian-realestate", include_str!("../../../contracts/xian-realestate.toml")),
    ("yulin-approval", include_str!("../../../contracts/yulin-approval.toml")),
    ("nantong-exchange", include_str!("../../../contracts/nantong-exchange.toml")),
    ("xian-gaoxin-oa", include_str!("../../../contracts/xian-gaoxin-oa.toml")),
    ("zhongshan-civil", include_str!("../../../contracts/zhongshan-civil.toml")),
];

impl Profile {
    /// Id and text of every profile shipped with the product.
    pub fn shipped() -> &'static [(&'static str, &'static str)] {
        &SHIPPED
    }

    /// The commented template a supplier copies for a contract of his own.
    pub fn template() -> &'static str {
        include_str!("../../../contracts/template.toml")
    }

    /// The people of the sandbox, and of a rehearsal that names no people file.
    pub fn sample_people() -> &'static str {
        include_str!("../../../contracts/samples/people.toml")
    }

    /// The FAQ of the sandbox, one JSON object a line.
    pub fn sample_faq() -> &'static str {
        include_str!("../../../contracts/samples/faq.jsonl")
    }
}
