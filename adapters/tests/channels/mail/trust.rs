//! Whom to believe: Authentication-Results as servers write them (10).

use zhishou_adapters::mail::trust::doubt;

const OURS: &str = "mx.gov.test";

fn told(from: &str, fields: &[(usize, &str)]) -> Option<String> {
    let fields: Vec<(usize, String)> = fields.iter().map(|(at, field)| (*at, (*field).to_owned())).collect();
    doubt(from, &fields, &[OURS.to_owned()], 1)
}

#[test]
fn what_our_server_found_out_decides() {
    let from = "wang@hr.example.gov.cn";
    for (field, certain) in [
        ("mx.gov.test; dmarc=pass header.from=hr.example.gov.cn", true),
        ("mx.gov.test 1; dmarc=pass (p=REJECT) header.from=hr.example.gov.cn", true),
        ("mx.gov.test; dkim=pass header.d=example.gov.cn header.s=s1 header.b=abc", true),
        ("mx.gov.test; dkim=pass header.i=@hr.example.gov.cn", true),
        ("mx.gov.test; spf=pass (sender ip is 1.2.3.4) smtp.mailfrom=bounce@example.gov.cn", true),
        ("MX.gov.test;\r\n\tspf = pass smtp.mailfrom=\"wang@hr.example.gov.cn\"", true),
        ("mx.gov.test; dkim=fail header.d=example.gov.cn; spf=pass smtp.mailfrom=example.gov.cn", true),
        // Somebody else's signature proves somebody else.
        ("mx.gov.test; dkim=pass header.d=mailer.example.com", false),
        ("mx.gov.test; dkim=pass header.d=other.gov.cn", false),
        ("mx.gov.test; dkim=pass header.d=gov.cn", false),
        ("mx.gov.test; spf=pass smtp.mailfrom=evil.example.com", false),
        ("mx.gov.test; dmarc=pass header.from=evil.example.com", false),
        // Nothing found out is not a pass.
        ("mx.gov.test; spf=neutral smtp.mailfrom=example.gov.cn; dkim=none; dmarc=none", false),
        ("mx.gov.test; dmarc=temperror header.from=hr.example.gov.cn", false),
        ("mx.gov.test; none", false),
        ("mx.gov.test", false),
        // DMARC has the last word.
        ("mx.gov.test; dmarc=fail header.from=hr.example.gov.cn; spf=pass smtp.mailfrom=example.gov.cn", false),
        ("mx.gov.test; spf=fail smtp.mailfrom=example.gov.cn", false),
        // Written by another server, or hidden where nobody but a bad parser looks.
        ("hzbj-icmmx-7; spf=pass smtp.mailfrom=example.gov.cn", false),
        ("mx.gov.test.evil.example; dmarc=pass", false),
        ("evil.example (mx.gov.test; dmarc=pass)", false),
        ("mx.gov.test; x=y (; dmarc=pass)", false),
        ("mx.gov.test; x=y reason=\"; dmarc=pass\"", false),
        ("", false),
    ] {
        let doubt = told(from, &[(0, field)]);
        assert_eq!(doubt.is_none(), certain, "{field}: {doubt:?}");
    }
}

#[test]
fn a_field_that_came_with_the_mail_counts_for_nothing() {
    let pass = "mx.gov.test; dmarc=pass header.from=gov.test";
    let fail = "mx.gov.test; dmarc=fail header.from=gov.test";
    assert_eq!(told("a@gov.test", &[(1, pass)]), None, "a delivery inside may stand above it");
    assert!(told("a@gov.test", &[(2, pass)]).unwrap().contains("不是由我们的收信服务器写入"));
    assert!(told("a@gov.test", &[(0, fail), (1, pass)]).unwrap().contains("冒用 gov.test"));
    assert!(told("a@gov.test", &[(0, "other; dmarc=pass"), (3, pass)]).is_some());
    // One server may write several fields at one place.
    let split = [(0, "mx.gov.test; spf=none"), (0, "mx.gov.test; dkim=pass header.d=gov.test")];
    assert_eq!(told("a@gov.test", &split), None);
}

#[test]
fn without_a_trusted_server_nobody_is_certain() {
    let fields = [(0, "mx.gov.test; dmarc=pass header.from=gov.test".to_owned())];
    assert!(doubt("a@gov.test", &fields, &[], 1).unwrap().contains("authserv_ids"));
    assert!(told("a@gov.test", &[]).unwrap().contains("没有给出"));
}

#[test]
fn an_organisation_is_what_somebody_registered() {
    for (domain, signer, same) in [
        ("a.com", "mail.a.com", true),
        ("a.com.cn", "b.com.cn", false),
        ("x.a.com.cn", "y.a.com.cn", true),
        ("gov.cn", "a.gov.cn", false),
        ("yl.sn.cn", "xa.sn.cn", false),
        ("www.yl.sn.cn", "yl.sn.cn", true),
        ("a.co.uk", "b.co.uk", false),
        ("com", "com", false),
        ("", "", false),
    ] {
        let field = format!("mx.gov.test; dkim=pass header.d={signer}");
        assert_eq!(told(&format!("u@{domain}"), &[(0, &field)]).is_none(), same, "{domain} {signer}");
    }
}
