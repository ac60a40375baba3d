//! "Did you mean": the nearest of a few known words, if one is near enough to be what was meant.

/// Words longer than this are not compared: nobody's typo is that long, and the cost grows with the square.
const LONGEST: usize = 64;

/// The candidate nearest to `word`, or `None` if none is near.
///
/// Case and `-`, `_`, spaces do not count; one insertion, deletion, change or swap of neighbours costs 1, and up
/// to a third of the word's length is accepted. Among equals the first candidate wins.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = folded(word);
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut best: Option<(usize, &'c str)> = None;
    for candidate in candidates {
        let other = folded(candidate);
        // A third of the longer word: `body` for `bodi`, but not `path` for `host`.
        let allowed = (word.len().max(other.len()) / 3).max(1);
        if other.len() > LONGEST || word.len().abs_diff(other.len()) > allowed {
            continue;
        }
        let distance = distance(&word, &other);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn folded(word: &str) -> Vec<char> {
    let kept = word.chars().filter(|c| !matches!(c, '-' | '_' | ' ' | '.'));
    kept.flat_map(char::to_lowercase).take(LONGEST + 1).collect()
}

/// Edits between two words (optimal string alignment), with three rows of the table kept.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = last[j] + usize::from(x != y);
            row[j + 1] = changed.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y;
            if swapped {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let keys = ["name", "match", "provider", "secrets", "upstream", "on_store_error"];
        for (typed, meant) in [
            ("upstrem", Some("upstream")),
            ("secret", Some("secrets")),
            ("mathc", Some("match")),
            ("onStoreError", Some("on_store_error")),
            ("NAME", Some("name")),
            ("x", None),
            ("", None),
            ("completely_else", None),
        ] {
            assert_eq!(closest(typed, keys), meant, "{typed}");
        }
        assert_eq!(closest(&"a".repeat(100_000), keys), None);
    }

    #[test]
    fn the_distance_counts_swaps_of_neighbours_as_one() {
        let edits = |a: &str, b: &str| distance(&folded(a), &folded(b));
        assert_eq!(edits("github", "gihtub"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }
}
