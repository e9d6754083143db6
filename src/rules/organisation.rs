//! Whether two mail addresses belong to one organisation.

/// Providers where anybody may have an address: two people there have nothing in common. Written without what may stand
/// before it (`vip.163.com` is 163.com's).
const PUBLIC: [&str; 27] = [
    "qq.com",
    "foxmail.com",
    "163.com",
    "126.com",
    "yeah.net",
    "188.com",
    "netease.com",
    "sina.com",
    "sina.cn",
    "sina.com.cn",
    "sohu.com",
    "139.com",
    "189.cn",
    "wo.cn",
    "aliyun.com",
    "tom.com",
    "21cn.com",
    "263.net",
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "msn.com",
    "icloud.com",
    "me.com",
    "yahoo.com",
];

/// Whether both addresses lie in the same domain, and that is one of an organisation and not of a public provider.
pub fn same_organisation(one: &str, other: &str) -> bool {
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
    let (Some(one), Some(other)) = (domain(one), domain(other)) else { return false };
    one == other && one.contains('.') && !is_public(&one)
}

fn is_public(domain: &str) -> bool {
    PUBLIC
        .iter()
        .any(|public| domain.strip_suffix(public).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::same_organisation;

    #[test]
    fn colleagues_share_a_domain_and_strangers_at_a_provider_do_not() {
        for (one, other, same) in [
            ("wang@zjj.example.gov.cn", "Liu@ZJJ.example.gov.cn", true),
            ("wang@zjj.example.gov.cn", "liu@swj.example.gov.cn", false),
            ("10001@qq.com", "10002@qq.com", false),
            ("a@vip.163.com", "b@vip.163.com", false),
            ("a@nothqq.com", "b@nothqq.com", true),
            ("a@localhost", "b@localhost", false),
            ("13800000001", "13800000001", false),
            ("", "", false),
        ] {
            assert_eq!(same_organisation(one, other), same, "{one} and {other}");
        }
    }
}
