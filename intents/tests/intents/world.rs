//! A contract's words and an FAQ base, invented after the five contracts' worlds.

use zhishou_intents::{
    CategoryTerms, Context, FaqEntry, FaqIndex, Lexicon, LexiconSource, Place, SeverityTerms, Speaker, SystemTerms,
};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn system(id: &str, name: &str, aliases: &[&str]) -> SystemTerms {
    SystemTerms { id: id.into(), name: name.into(), aliases: words(aliases) }
}

fn severity(id: &str, rank: u32, single: &[&str], phrases: &[&str]) -> SeverityTerms {
    SeverityTerms { id: id.into(), rank, words: words(single), phrases: words(phrases) }
}

fn category(id: &str, name: &str, single: &[&str]) -> CategoryTerms {
    CategoryTerms { id: id.into(), name: name.into(), words: words(single) }
}

/// The contract.
pub fn lexicon() -> Lexicon {
    Lexicon::new(&LexiconSource {
        systems: vec![
            system("register", "不动产登记系统", &["登记系统", "登记平台"]),
            system("mortgage", "抵押进银行系统", &["抵押进银行", "银行抵押"]),
            system("licence", "电子证照系统", &["电子证照", "证照库"]),
            system("approval", "工程建设项目审批管理系统", &["工改系统", "审批系统", "工程审批"]),
            system("exchange", "数据共享交换平台", &["交换平台", "共享平台"]),
            system("oa", "综合办公系统", &["OA", "办公系统"]),
            system("civil", "智慧民政平台", &["民政平台", "低保系统"]),
        ],
        severities: vec![
            severity("A", 1, &["系统崩溃", "崩溃", "全部瘫痪", "瘫痪"], &["全市 打不开", "所有窗口 打不开"]),
            severity("B", 2, &["严重变慢", "数据损坏"], &["窗口 很慢"]),
            severity("C", 3, &["部分功能"], &[]),
            severity("D", 4, &["安装", "配置"], &[]),
        ],
        categories: vec![
            category("bug", "系统缺陷", &["报错", "闪退", "打不开"]),
            category("data", "数据更正", &["录错", "填错", "转错件"]),
            category("interface", "接口", &["接口", "推送"]),
            category("consult", "咨询", &["怎么"]),
        ],
        people: words(&["张工", "李工", "刘主任", "小陈"]),
        extra_request_words: words(&["转件"]),
    })
}

fn entry(id: &str, question: &str, similar: &[&str], answer: &str) -> FaqEntry {
    FaqEntry {
        id: id.into(),
        question: question.into(),
        similar: words(similar),
        answer: answer.into(),
        ..FaqEntry::default()
    }
}

/// The base.
pub fn entries() -> Vec<FaqEntry> {
    vec![
        entry("f1", "如何重置登录密码", &["密码忘了怎么办"], "登录页点“忘记密码”，用绑定的手机号接收验证码。"),
        entry("f2", "OFD 阅读器如何安装", &[], "在下载中心下载 OFD 阅读器，关闭浏览器后安装。"),
        entry("f3", "资源目录如何编目发布", &["目录怎么发布"], "在目录管理中新建目录，填写信息项后提交审核。"),
        entry("f4", "施工许可证如何变更建设单位", &[], "在变更申请中上传变更协议，原发证机关审核。"),
        entry("f5", "低保申请退回后如何重新提交", &[], "在退回件中打开，按意见修改后重新提交。"),
    ]
}

/// The base, indexed.
pub fn faq() -> FaqIndex {
    FaqIndex::build(&entries())
}

/// A requester in a group, nothing open.
pub fn requester() -> Context<'static> {
    Context::default()
}

/// A requester with an open ticket.
pub fn waiting() -> Context<'static> {
    Context { open_tickets: 1, ..Context::default() }
}

/// A requester whose ticket was resolved.
pub fn asked_to_confirm() -> Context<'static> {
    Context { open_tickets: 1, awaits_confirmation: true, ..Context::default() }
}

/// An engineer in a group of requesters.
pub fn engineer() -> Context<'static> {
    Context { speaker: Speaker::Engineer, ..Context::default() }
}

/// An engineer with a ticket, among engineers.
pub fn working() -> Context<'static> {
    Context { speaker: Speaker::Engineer, place: Place::Engineers, open_tickets: 1, ..Context::default() }
}

/// A lead, among engineers.
pub fn lead() -> Context<'static> {
    Context { speaker: Speaker::Lead, place: Place::Engineers, ..Context::default() }
}

/// Notes a row that came out otherwise, so that a table shows all of them at once.
pub fn agree(wrong: &mut Vec<String>, got: &str, wanted: &str, row: &str) {
    if got != wanted {
        wrong.push(format!("{row}: got {got}, wanted {wanted}"));
    }
}
