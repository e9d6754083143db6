//! Who and where: members of the corporation, groups, robots, and the people file.

pub const AGENCY: &str = "wrAGENCY0001";
pub const ENGINEERS: &str = "wrENGINEERS01";
pub const AT_AGENCY: &str = "group:wrAGENCY0001";
pub const AT_ENGINEERS: &str = "group:wrENGINEERS01";
pub const WANG: &str = "WangKeZhang";
pub const ZHANG: &str = "ZhangGong";
pub const LI: &str = "LiGong";
pub const CHEN: &str = "ChenJingLi";
/// Nobody has ever written this name into the people file.
pub const SUN: &str = "SunLaoShi";
/// Key and group of each robot.
pub const KEYS: [(&str, &str); 2] =
    [("693a91f6-0000-4bc4-97a0-0ec2f0000001", AGENCY), ("693a91f6-0000-4bc4-97a0-0ec2f0000002", ENGINEERS)];

/// Everybody; all names are invented.
pub const PEOPLE: &str = r#"
[[person]]
id = "zhang"
name = "张工"
role = "engineer"
contracts = ["xian-realestate"]
accounts = { wecom = "ZhangGong" }

[[person]]
id = "li"
name = "李工"
role = "engineer"
contracts = ["xian-realestate"]
accounts = { wecom = "LiGong" }

[[person]]
id = "chen"
name = "陈经理"
role = "lead"
contracts = ["xian-realestate"]
accounts = { wecom = "ChenJingLi" }

[[shift]]
contract = "xian-realestate"
people = ["zhang"]
days = "everyday"
from = "00:00"
to = "00:00"
rotate = "none"

[[conversation]]
channel = "wecom"
id = "group:wrAGENCY0001"
contract = "xian-realestate"
unit = "市住建局"
kind = "requesters"
"#;

/// Where there is a group of engineers.
pub const THEIR_GROUP: &str = r#"
[[conversation]]
channel = "wecom"
id = "group:wrENGINEERS01"
contract = "xian-realestate"
unit = "运维组"
kind = "engineers"
"#;
