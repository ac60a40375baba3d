//! The list of mistakes that are tried, in the order in which people make them.

use super::attempt::Attempt;
use super::{Question, body, header, secrets, sender, signing, url};

/// A mistake that can be undone on paper to see whether the delivery then verifies.
pub(super) struct Hypothesis {
    /// The stable word.
    pub(super) mistake: &'static str,
    /// Undoes the mistake, in every way in which it can have been made.
    pub(super) undo: for<'q> fn(&Attempt<'q>, &Question<'q>) -> Vec<Undone<'q>>,
}

/// A delivery with the mistake undone, and what to tell whoever made it.
pub(super) struct Undone<'q> {
    pub(super) attempt: Attempt<'q>,
    pub(super) advice: String,
}

impl<'q> Undone<'q> {
    pub(super) fn new(attempt: Attempt<'q>, advice: impl Into<String>) -> Self {
        Self { attempt, advice: advice.into() }
    }
}

/// Every mistake that is tried. One more is one more line here and one function with its test.
pub(super) const ALL: &[Hypothesis] = &[
    Hypothesis { mistake: "body_newline", undo: body::newline },
    Hypothesis { mistake: "body_reserialised", undo: body::reserialised },
    Hypothesis { mistake: "body_line_endings", undo: body::line_endings },
    Hypothesis { mistake: "body_whitespace", undo: body::whitespace },
    Hypothesis { mistake: "body_compressed", undo: body::compressed },
    Hypothesis { mistake: "body_encoded", undo: body::encoded },
    Hypothesis { mistake: "body_charset", undo: body::charset },
    Hypothesis { mistake: "body_form", undo: body::form },
    Hypothesis { mistake: "body_not_signed", undo: body::not_signed },
    Hypothesis { mistake: "secret_whitespace", undo: secrets::whitespace },
    Hypothesis { mistake: "secret_quoted", undo: secrets::quoted },
    Hypothesis { mistake: "secret_assignment", undo: secrets::assignment },
    Hypothesis { mistake: "secret_escaped", undo: secrets::escaped },
    Hypothesis { mistake: "secret_decoding", undo: secrets::decoding },
    Hypothesis { mistake: "secret_prefix", undo: secrets::prefix },
    Hypothesis { mistake: "other_secret", undo: secrets::other },
    Hypothesis { mistake: "signature_case", undo: header::case },
    Hypothesis { mistake: "signature_prefix", undo: header::prefix },
    Hypothesis { mistake: "signature_encoding", undo: header::encoding },
    Hypothesis { mistake: "signature_encoded_twice", undo: header::encoded_twice },
    Hypothesis { mistake: "signature_quoted", undo: header::quoted },
    Hypothesis { mistake: "signature_repeated", undo: header::repeated },
    Hypothesis { mistake: "other_sender", undo: sender::other },
    Hypothesis { mistake: "signature_header", undo: header::elsewhere },
    Hypothesis { mistake: "algorithm", undo: signing::algorithm },
    Hypothesis { mistake: "not_hmac", undo: signing::not_hmac },
    Hypothesis { mistake: "signed_content", undo: signing::content },
    Hypothesis { mistake: "timestamp_form", undo: signing::timestamp },
    Hypothesis { mistake: "form_condition", undo: signing::condition },
    Hypothesis { mistake: "url_origin", undo: url::origin },
    Hypothesis { mistake: "url_path", undo: url::path },
    Hypothesis { mistake: "method", undo: url::method },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_has_its_own_word() {
        let mut words: Vec<_> = ALL.iter().map(|hypothesis| hypothesis.mistake).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ALL.len());
    }
}
