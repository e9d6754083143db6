//! Extension digits behind the access number (sms.md 3.3).

/// Access number and extension together have at most so many digits: the field has 21 bytes.
pub const MOST_DIGITS: usize = 20;

/// The digits behind `access` in the number that was answered to, empty where there are none; `None` for another number.
/// Some links put 86 before it.
pub fn extension<'a>(answered: &'a str, access: &str) -> Option<&'a str> {
    let answered = answered.trim();
    if access.is_empty() {
        return None;
    }
    let found = answered.strip_prefix(access).or_else(|| answered.strip_prefix("86")?.strip_prefix(access));
    found.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}
