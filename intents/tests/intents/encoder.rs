//! A damaged weight file is refused, never a panic; the learner learns the same each time.

use proptest::prelude::*;
use zhishou_intents::encoder::{Encoder, EncoderError, pack};
use zhishou_intents::learn::{Classifier, Labelled};

/// First bytes of a weight file.
const MAGIC: &[u8] = b"zhishou-enc-v1\r\n";

proptest! {
    #[test]
    fn whatever_the_bytes_the_answer_is_an_error(
        magic in any::<bool>(),
        length in prop_oneof![any::<u64>(), 0u64..4096, Just(u64::MAX)],
        rest in proptest::collection::vec(any::<u8>(), 0..4096),
    ) {
        let mut bytes = if magic { MAGIC.to_vec() } else { Vec::new() };
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&rest);
        let refused = Encoder::open(bytes).expect_err("no weight file is so small");
        prop_assert_eq!(matches!(refused, EncoderError::Damaged(_)), magic);
    }

    #[test]
    fn whatever_the_word_pieces_packing_answers_with_an_error(model in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(pack(&std::collections::BTreeMap::new(), &model).is_err());
    }
}

fn lines() -> Vec<Labelled> {
    [
        ("打印机卡纸了", "printer"),
        ("打印机没反应", "printer"),
        ("打印出来是白纸", "printer"),
        ("网络断了", "network"),
        ("上不了网", "network"),
        ("网速很慢", "network"),
    ]
    .map(|(text, label)| Labelled { text: text.to_owned(), label: label.to_owned() })
    .to_vec()
}

#[test]
fn the_learner_tells_apart_what_it_was_shown() {
    let learned = Classifier::learn(&lines(), None).expect("two labels");
    assert_eq!(learned.label("打印机又卡了").0, "printer");
    assert_eq!(learned.label("网络不通").0, "network");
    // A text of nothing known still gets a label, and is not sure of it.
    let (_, sure) = learned.label("打印机又卡了");
    let (_, unsure) = learned.label("食堂");
    assert!(unsure < sure, "{unsure} {sure}");
    let again = Classifier::learn(&lines(), None).expect("two labels");
    for line in lines() {
        assert_eq!(learned.label(&line.text), again.label(&line.text));
        assert_eq!(learned.label(&line.text).0, line.label);
    }
    assert!(Classifier::learn(&[], None).is_none());
}
