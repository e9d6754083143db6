//! The nearest thing somebody may have meant.

/// The candidate nearest to `typed`, if it is near enough to be worth naming.
pub(super) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let longest = typed.chars().count();
    let allowed = (longest / 3).max(1) + usize::from(longest > 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(&typed.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words; a swap of neighbours is one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// `「a」、「b」和「c」` for a list in a sentence.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("「{name}」")).collect::<Vec<_>>().join("、")
}

/// The fix for a name nobody knows: the nearest one, and all there are unless they are many.
pub(super) fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let all = listed(known.clone());
    let many = known.clone().into_iter().count() > 8;
    match nearest(typed, known) {
        Some(near) if many => format!("是不是想写「{near}」？"),
        Some(near) => format!("是不是想写「{near}」？可以写的有{all}"),
        None if all.is_empty() => "这里没有可写的，请删去".to_owned(),
        None => format!("可以写的有{all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_a_stranger_finds_none() {
        for (typed, expected) in
            [("calender", Some("calendar")), ("witihn", Some("within")), ("name", Some("name")), ("zzzzzz", None)]
        {
            assert_eq!(nearest(typed, ["calendar", "within", "name"]), expected, "{typed}");
        }
    }
}
