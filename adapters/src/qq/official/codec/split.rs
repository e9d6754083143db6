//! Long texts in pieces: at line ends, lines of code kept together where they fit.

/// Cuts a text into pieces of at most `most` characters (`char`s), at line ends where there are any. No piece is blank; a
/// blank text gives none.
pub fn split(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut pieces = Vec::new();
    let (mut piece, mut length) = (String::new(), 0);
    for block in blocks(text, most) {
        let size = block.chars().count();
        if length > 0 && length + size > most {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        if size <= most {
            piece.push_str(&block);
            length += size;
            continue;
        }
        // A line that is longer than a message.
        for c in block.chars() {
            if length == most {
                pieces.push(std::mem::take(&mut piece));
                length = 0;
            }
            piece.push(c);
            length += 1;
        }
    }
    pieces.push(piece);
    pieces
        .iter()
        .map(|piece| piece.trim_matches('\n').trim_end().to_owned())
        .filter(|piece| !piece.trim().is_empty())
        .collect()
}

/// Lines with their ends; a fenced block or a table is one, as long as it fits into a message.
fn blocks(text: &str, most: usize) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let (mut fenced, mut tabled) = (false, false);
    for line in text.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```");
        let table = !fenced && line.trim_start().starts_with('|');
        let goes_on = fenced || (table && tabled);
        let size = line.chars().count();
        match blocks.last_mut().filter(|last| goes_on && last.chars().count() + size <= most) {
            Some(last) => last.push_str(line),
            None => blocks.push(line.to_owned()),
        }
        fenced ^= fence;
        tabled = table;
    }
    blocks
}

/// What is left of a text of which only `most` pieces may be said: the last says that there is more, and where.
pub fn keep(mut pieces: Vec<String>, most: usize, limit: usize, more: &str) -> Vec<String> {
    if pieces.len() <= most {
        return pieces;
    }
    pieces.truncate(most.max(1));
    if let Some(last) = pieces.last_mut() {
        let room = limit.saturating_sub(more.chars().count() + 1);
        let cut: String = last.chars().take(room).collect();
        *last = format!("{}\n{more}", cut.trim_end());
    }
    pieces
}
