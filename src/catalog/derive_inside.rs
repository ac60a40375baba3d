//! Changes of a signature that stands in the query or the body, where it has to be found before it can be changed.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::verify::{self, Alternative, EventSpec, Head, Location, Locator, Scheme};

use super::derive::{other_end, shorter, with_each_signature};
use super::vectors::Vector;

/// Copies of the delivery whose signature is missing, empty, cut, longer or another one, each with what was done to it.
///
/// A signature that is written in the delivery in other characters than it is read in gives none.
pub(super) fn changed(form: &Alternative, delivery: &Vector) -> Vec<(&'static str, Vector)> {
    let Some((place, name)) = place(form) else { return Vec::new() };
    let spec = EventSpec { id: vec![place.clone()], document: form.document.clone(), ..EventSpec::default() };
    let scheme = Scheme { alternatives: vec![form.clone()] };
    let head = Head {
        method: &delivery.method,
        target: &delivery.target,
        origin: delivery.origin_url.as_deref(),
        headers: &delivery.headers,
    };
    let Some(found) = verify::event(&spec, &scheme, &head, &delivery.body).id else { return Vec::new() };
    let layout = &form.signature.layout;
    let with = |change: &dyn Fn(&str) -> String| {
        let mut copy = delivery.clone();
        // Elements carry one each, and a `*` reads them joined by commas.
        let texts: Vec<&str> = if form.each.is_some() { found.split(',').collect() } else { vec![&found] };
        let replaced = texts.iter().all(|text| replace(&mut copy, &place, text, &change(text)));
        replaced.then_some(copy)
    };
    let signatures = |change: fn(&str) -> String| move |text: &str| with_each_signature(text, layout, change);
    let mut renamed = delivery.clone();
    let missing = replace(&mut renamed, &place, &name, &format!("not-{name}")).then_some(renamed);
    [
        ("no signature", missing),
        ("an empty signature", with(&|_| String::new())),
        ("a truncated signature", with(&signatures(shorter))),
        ("a signature followed by `0`", with(&signatures(|text| format!("{text}0")))),
        ("a signature followed by `zz`", with(&signatures(|text| format!("{text}zz")))),
        ("a signature with its last character changed", with(&signatures(other_end))),
    ]
    .into_iter()
    .filter_map(|(check, copy)| Some((check, copy?)))
    .collect()
}

/// Where the signature stands, and the name by which it stands there.
fn place(form: &Alternative) -> Option<(Locator, String)> {
    match &form.signature.location {
        Location::Query(name) => Some((Locator::Query(name.clone()), name.clone())),
        Location::Form(name) => Some((Locator::Form(name.clone()), name.clone())),
        Location::Json(pointer) => {
            let each = form.each.as_ref().map_or_else(String::new, ToString::to_string);
            let locator = format!("json:{each}{pointer}").parse().ok()?;
            Some((locator, pointer.to_string().rsplit('/').next()?.to_owned()))
        }
        // A token that is the whole body changes with every byte of the body.
        Location::Header(_) | Location::Headers(_) | Location::Numbered(_) | Location::Body => None,
    }
}

/// Replaces a text wherever it stands, as it is or percent-encoded; `false` if it stands nowhere.
fn replace(delivery: &mut Vector, place: &Locator, old: &str, new: &str) -> bool {
    let encoded = utf8_percent_encode(old, NON_ALPHANUMERIC).to_string();
    for old in [old, &encoded] {
        match place {
            Locator::Query(_) if delivery.target.contains(old) => {
                delivery.target = delivery.target.replace(old, new);
                return true;
            }
            Locator::Form(_) | Locator::Json(_) => {
                let Ok(body) = std::str::from_utf8(&delivery.body) else { return false };
                if body.contains(old) {
                    delivery.body = body.replace(old, new).into_bytes();
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}
