//! Which addresses may be visited.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why an address may not be visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It leads into a private network, or to this machine.
    #[error("the address is not public")]
    Private,
    /// Another scheme, no host, or credentials in it.
    #[error("not a web address")]
    NotWeb,
}

/// Checks all of an address that can be checked without resolving its name.
pub(super) fn check_url(url: &Url, allowed: &[String]) -> Result<(), Refusal> {
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::NotWeb);
    }
    let host = url.host_str().ok_or(Refusal::NotWeb)?;
    // The parser has already turned 0x7f.1 and 2130706433 into dotted form.
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) if !is_public(address) && !is_allowed(host, allowed) => Err(Refusal::Private),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_allowed(host: &str, allowed: &[String]) -> bool {
    let bare = |text: &str| text.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    allowed.iter().any(|name| bare(name) == bare(host))
}

/// Whether an address belongs to the public internet. Everything with another purpose is refused, as is every way of
/// writing an IPv4 address inside an IPv6 one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT, RFC 6598; also Alibaba's metadata service
        || (a == 192 && b == 0 && c == 0) // RFC 6890
        || (a == 192 && b == 88 && c == 99) // 6to4 relays, RFC 7526
        || (a == 198 && (b & 0xfe) == 18)) // benchmarks, RFC 2544
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    // Only 2000::/3 is handed out; within it Teredo, documentation, benchmarking and 6to4 are not for us.
    let global = (parts[0] & 0xe000) == 0x2000;
    let teredo_and_kin = parts[0] == 0x2001 && parts[1] < 0x200;
    let documentation = (parts[0] == 0x2001 && parts[1] == 0xdb8) || (parts[0] == 0x3fff && parts[1] < 0x1000);
    let six_to_four = parts[0] == 0x2002;
    global && !teredo_and_kin && !documentation && !six_to_four
}

/// Resolves names and hands out public addresses only. The connection uses this very answer, so a name cannot change
/// its mind between the check and the visit.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    allowed: std::sync::Arc<Vec<String>>,
}

impl GuardedResolver {
    pub(super) fn new(allowed: Vec<String>) -> Self {
        Self { allowed: std::sync::Arc::new(allowed) }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One private address among public ones is enough to refuse: that is how rebinding looks.
            if !is_allowed(name.as_str(), &allowed) && !found.iter().all(|address| is_public(address.ip())) {
                return Err(Refusal::Private.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("119.147.3.1", true),
            ("2408:8706::1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.100.100.200", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.0.0.8", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::127.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("2001:db8::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn an_address_is_checked_however_it_is_written() {
        for (address, expected) in [
            ("https://multimedia.nt.qq.com.cn/download?x=1", Ok(())),
            ("http://8.8.8.8/x", Ok(())),
            ("http://127.0.0.1/", Err(Refusal::Private)),
            ("http://2130706433/", Err(Refusal::Private)),
            ("http://0x7f.1/", Err(Refusal::Private)),
            ("http://017700000001/", Err(Refusal::Private)),
            ("http://[::1]:8080/", Err(Refusal::Private)),
            ("http://[::ffff:169.254.169.254]/latest", Err(Refusal::Private)),
            ("file:///etc/passwd", Err(Refusal::NotWeb)),
            ("gopher://8.8.8.8/", Err(Refusal::NotWeb)),
            ("http://user:secret@8.8.8.8/", Err(Refusal::NotWeb)),
        ] {
            assert_eq!(check_url(&Url::parse(address).unwrap(), &[]), expected, "{address}");
        }
    }

    #[test]
    fn an_allowed_host_may_be_private() {
        let allowed = ["127.0.0.1".to_owned(), "files.intranet".to_owned()];
        assert_eq!(check_url(&Url::parse("http://127.0.0.1:9/x").unwrap(), &allowed), Ok(()));
        assert_eq!(check_url(&Url::parse("http://127.0.0.2:9/x").unwrap(), &allowed), Err(Refusal::Private));
        assert!(is_allowed("FILES.intranet.", &allowed));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_refused_unless_allowed() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = GuardedResolver::new(Vec::new()).resolve(name()).await.err().expect("refused");
        assert_eq!(refused.downcast_ref::<Refusal>(), Some(&Refusal::Private));
        assert!(GuardedResolver::new(vec!["localhost".to_owned()]).resolve(name()).await.is_ok());
    }
}
