//! What a message carries that has a form of its own: numbers, addresses, times, places, people.

use regex::{Regex, RegexSet};
use serde::Serialize;
use std::sync::LazyLock;

/// What a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// An acceptance or case number.
    CaseNumber,
    /// A mobile or landline number, an extension.
    Phone,
    /// A citizen's identity number, checksum right.
    IdCard,
    /// An IPv4 address.
    Ip,
    /// A web address.
    Url,
    /// A mail address.
    Mail,
    /// A moment: "昨天下午三点".
    Time,
    /// A place: "三楼", "2号窗口".
    Place,
    /// A unit: "市住建局".
    Unit,
    /// A person: "@张工", "王科长".
    Person,
    /// The text of an error message.
    ErrorText,
    /// An error code: "502", "ORA-01017".
    ErrorCode,
    /// Says that it presses.
    Urgency,
    /// A system of the lexicon.
    System,
    /// A staff number or account.
    Account,
}

/// One of them, with its place in the original text (bytes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// What it is.
    pub kind: SlotKind,
    /// As written.
    pub text: String,
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}

/// In the order of precedence: what an earlier one has taken a later one leaves alone.
/// Word boundaries are ASCII ones: the fast automaton knows them, and they suit Chinese neighbours.
/// Each pattern's group 1, where it has one, is the slot.
const PATTERNS: &[(SlotKind, &str)] = &[
    (SlotKind::Url, r"(?i)https?://[^\s，。；、）)”\p{Han}]+|www\.[a-z0-9.-]+\.[a-z]{2,}[^\s，。；\p{Han}]*"),
    (SlotKind::Mail, r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"),
    (
        SlotKind::Ip,
        r"(?-u:\b)(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?-u:\b)",
    ),
    (SlotKind::IdCard, r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"),
    (SlotKind::Phone, r"(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}|0[0-9]{2,3}[- ][0-9]{7,8}"),
    (SlotKind::Phone, r"(?:电话|分机|座机|手机|联系方式)(?:号码?)?[是为:： ]{0,2}([0-9]{3,8})"),
    (
        SlotKind::CaseNumber,
        r"(?:受理号|受理编号|业务号|业务编号|流水号|案卷号|件号|收件号|收件编号|文号|项目代码|订单号|登记号|编号)[是为:： ]{0,2}([A-Za-z0-9][A-Za-z0-9_/-]{3,40})",
    ),
    (
        SlotKind::CaseNumber,
        r"(?:^|[^0-9A-Za-z.])((?:19|20)[0-9]{6}[-_]?[0-9]{3,10}|[A-Z]{1,4}(?:19|20)[0-9]{2}[-_]?[0-9]{3,12})",
    ),
    (SlotKind::Account, r"(?:工号|账号|帐号|账户|用户名|登录名)[是为:： ]{0,2}([A-Za-z0-9][A-Za-z0-9_.-]{2,30})"),
    (
        SlotKind::ErrorCode,
        r"(?i)(?-u:\b)(?:ORA-[0-9]{5}|0x[0-9a-f]{4,16}|E[0-9]{3,6}|ERR[_-][A-Z_]+|SQLSTATE ?\w{5}|[A-Z]+Exception)(?-u:\b)",
    ),
    (SlotKind::ErrorCode, r"(?:报错?|错误码?|错误代码|代码|提示|状态码)[是为:：“\x22 ]{0,2}(-?[0-9]{1,6})(?:[^0-9]|$)"),
    (SlotKind::ErrorCode, r"(?:^|[^0-9])(40[0-9]|50[0-5])(?:[^0-9]|$)"),
    (
        SlotKind::ErrorText,
        r"(?:报错?|提示|显示|弹出|弹窗|说是?|写着|错误信息?)[:： ]{0,2}[“「【\x22]([^”」】\x22]{2,80})[”」】\x22]",
    ),
    (
        SlotKind::ErrorText,
        r"(?:提示|报错|弹出|显示)[:： ]{0,2}([\p{Han}A-Za-z]{2,20}(?:失败|错误|异常|不存在|已过期|超时|无效|不足|被拒绝))",
    ),
    (
        SlotKind::Time,
        r"(?:(?:[0-9]{4}年)?[0-9]{1,2}月[0-9]{1,2}[日号]?|今天|昨天|前天|明天|后天|今早|今晚|昨晚|明早|(?:上|下|本|这)?(?:周|星期)[一二三四五六日天])?(?:凌晨|早上|上午|中午|下午|傍晚|晚上)?(?:[0-9]{1,2}|[一二两三四五六七八九十]{1,3})(?:点(?:半|[一二三四五]刻|[0-9]{1,2}分?|[一二三四五]?十[一二三四五六七八九]?分?)?(?:多|左右)?|[:：][0-9]{2})",
    ),
    (
        SlotKind::Time,
        r"(?:[0-9]{4}年)?[0-9]{1,2}月[0-9]{1,2}[日号]|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|(?:今天|昨天|前天|明天|后天)(?:凌晨|早上|上午|中午|下午|晚上)?|今早|今晚|昨晚|刚才|刚刚|(?:上|下|本|这)(?:周|星期)[一二三四五六日天]?",
    ),
    (
        SlotKind::Place,
        r"(?:[一二三四五六七八九十]{1,3}|[0-9]{1,3})号?(?:楼|层|窗口|柜台|机房|会议室|厅)(?:[0-9]{1,4}(?:室|房间)?|[东西南北]侧)?|[0-9]{3,4}(?:室|房间|办公室)",
    ),
    (
        SlotKind::Unit,
        r"(?:[市县区省][\p{Han}]{1,10}?(?:局|委|办|厅|院|中心|所|大队)|[\p{Han}]{2,6}(?:街道办|镇政府|乡政府|政务中心|登记中心|支行|分局))",
    ),
    (SlotKind::Person, r"[@＠]([^\s@＠,，。:：]{1,12})"),
    (
        SlotKind::Person,
        r"(?:^|[^\p{Han}]|[给找叫让是由])([赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫经房裘缪干解应宗丁宣邓单杭洪包诸左石崔吉龚程邢裴陆荣翁荀羊甄曲家封芮储靳邴松井段富巫乌焦巴弓牧隗山谷车侯班仰秋仲伊宫宁仇栾甘厉戎祖武符刘景詹束龙叶幸司韶黎薄印白怀蒲台从鄂索咸籍赖卓蔺屠蒙池乔胥能苍双闻莘党翟谭贡劳申扶堵冉宰雍桑桂牛寿通边扈燕冀浦尚农温别庄晏柴瞿阎慕连茹习艾鱼容向古易戈廖庾终居衡步都耿满弘匡国文寇广禄阙东欧][\p{Han}]?(?:工|科长|处长|局长|主任|老师|总|经理|科|处|队长|所长))",
    ),
    (
        SlotKind::Urgency,
        r"十万火急|急{2,}|很急|特急|紧急|加急|着急|尽快|马上|赶紧|抓紧|在线等|催得急|快点|立刻|立即|急",
    ),
];

/// One pass tells which of the patterns are worth running.
static ANY: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(PATTERNS.iter().map(|(_, pattern)| *pattern)).expect("compiled by a test"));

static COMPILED: LazyLock<Vec<(SlotKind, Regex)>> = LazyLock::new(|| {
    PATTERNS.iter().map(|(kind, pattern)| (*kind, Regex::new(pattern).expect("compiled by a test"))).collect()
});

/// A pasted log holds no slots worth the time further down than this (bytes).
const WINDOW: usize = 4_000;

/// All slots of a text, in order; none overlaps another.
///
/// ```
/// use zhishou_intents::{slots, SlotKind};
///
/// let found = slots("昨天下午三点开始 受理号202403150012 提示“系统异常” 电话3316");
/// let of = |kind| found.iter().find(|slot| slot.kind == kind).map(|slot| slot.text.as_str());
/// assert_eq!(of(SlotKind::Time), Some("昨天下午三点"));
/// assert_eq!(of(SlotKind::CaseNumber), Some("202403150012"));
/// assert_eq!(of(SlotKind::ErrorText), Some("系统异常"));
/// assert_eq!(of(SlotKind::Phone), Some("3316"));
/// ```
pub fn slots(text: &str) -> Vec<Slot> {
    let window = crate::cues::head(text, WINDOW);
    let mut found: Vec<Slot> = Vec::new();
    for at in &ANY.matches(window) {
        let Some((kind, pattern)) = COMPILED.get(at) else { continue };
        for captures in pattern.captures_iter(window) {
            let Some(part) = captures.get(1).or_else(|| captures.get(0)) else { continue };
            let (start, end) = (part.start(), part.end());
            if *kind == SlotKind::IdCard && !id_card(part.as_str()) {
                continue;
            }
            let digits = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
            let number = matches!(kind, SlotKind::Phone | SlotKind::IdCard);
            if number && (digits(window[..start].chars().next_back()) || digits(window[end..].chars().next())) {
                continue;
            }
            if found.iter().any(|slot| slot.start < end && start < slot.end) {
                continue;
            }
            found.push(Slot { kind: *kind, text: part.as_str().to_owned(), start, end });
        }
    }
    found.sort_by_key(|slot| slot.start);
    found
}

/// Whether 18 characters are a citizen's identity number: GB 11643-1999, ISO 7064 MOD 11-2.
pub(crate) fn id_card(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECK: [u8; 11] = *b"10X98765432";
    let bytes = text.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = bytes.iter().zip(WEIGHTS).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    CHECK[(sum % 11) as usize] == bytes[17].to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(COMPILED.len(), PATTERNS.len());
    }

    #[test]
    fn an_identity_number_is_one_only_with_its_checksum() {
        // The example number of GB 11643-1999.
        assert!(id_card("11010519491231002X"));
        assert!(!id_card("110105194912310021"));
    }
}
