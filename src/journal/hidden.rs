//! Whether an event's id or type may be shown, by where it may have been read.

use super::redact::{CREDENTIALS, flatten};
use crate::verify::Locator;

/// Whether a value that was read at one of the places `from` may be one that is not shown. Which of them it was is not kept, so any
/// counts.
pub(super) fn hides(redact: &[Locator], from: &[Locator]) -> bool {
    let (mut hidden, mut places) = (Vec::new(), Vec::new());
    redact.iter().for_each(|locator| flatten(locator, &mut hidden));
    from.iter().for_each(|locator| flatten(locator, &mut places));
    places.into_iter().any(|place| {
        matches!(place, Locator::Header(name) if CREDENTIALS.contains(name))
            || hidden.iter().any(|hidden| covers(hidden, place))
    })
}

/// The same where the places may not have been written down: it may be anything that is not shown then. A hash of something is hidden
/// as that is, which it would let be guessed.
pub(super) fn may_hide(redact: &[Locator], from: Option<&[Locator]>) -> bool {
    from.map_or(!redact.is_empty(), |from| hides(redact, from))
}

/// Whether something of the body is not shown, as far as can be told without it.
pub(super) fn hides_of_body(redact: &[Locator]) -> bool {
    hides(redact, &[Locator::Body])
}

fn covers(hidden: &Locator, place: &Locator) -> bool {
    use Locator::{Body, Claim, Form, Json, Signed};

    match (hidden, place) {
        (Json(hidden), Json(place)) => place.may_be_within(hidden),
        (Body, Json(_) | Form(_) | Claim(_)) => true,
        // A hash of what is hidden would let it be guessed.
        (Body | Json(_) | Form(_), Body | Signed) => true,
        (hidden, place) => hidden == place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_at_a_place_that_is_not_shown_is_not_shown_either() {
        let places =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Locator>>();
        for (redact, from, expected) in [
            (&["header:x-id"][..], &["header:x-id"][..], true),
            (&["header:x-id"], &["header:x-other"], false),
            (&["header:x-id|json:/id"], &["json:/id"], true),
            (&["json:/id"], &["header:x-id|json:/id"], true),
            (&["json:/data"], &["json:/Data/id"], true),
            (&["json:/data/id"], &["json:/data"], false),
            (&["json:/events/0/id"], &["json:/events/*/id"], true),
            (&["json:/events/*"], &["json:/events/0/id"], true),
            (&["json:/event"], &["json:/events/0/id"], false),
            (&["query:id"], &["query:id"], true),
            (&["form:id"], &["json:/x", "form:id"], true),
            (&["body"], &["json:/id"], true),
            (&["body"], &["header:x-id"], false),
            (&["json:/card"], &["body"], true),
            (&[], &["header:authorization"], true),
            (&[], &["json:/id", "body"], false),
            (&["json:/id"], &[], false),
        ] {
            assert_eq!(hides(&places(redact), &places(from)), expected, "{redact:?} {from:?}");
        }
    }
}
