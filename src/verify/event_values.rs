//! The values that an event's id, type and key are made of, found in a delivery in one pass.

use std::borrow::Cow;

use super::body;
use super::claim_path;
use super::delivery::{Head, Single};
use super::encoding::Bytes;
use super::event::{Event, EventKey, EventSpec, MissingPart};
use super::form::{self, Field};
use super::json::{self, Found};
use super::locator::{Locator, Pointer};
use super::mac::{Sink, State, sha256};
use super::scheme::{Scheme, Sha};
use super::signed;
use super::template::Part;
use super::verification::Verified;

/// A delivery in which names are looked for.
#[derive(Clone, Copy)]
pub(super) struct Delivery<'v> {
    pub(super) head: &'v Head<'v>,
    pub(super) scheme: &'v Scheme,
    /// The body as it came.
    pub(super) wire: &'v [u8],
    /// The body as it is read.
    pub(super) plain: &'v [u8],
}

/// A delivery with the JSON values that some locators name.
pub(super) struct Values<'v> {
    delivery: Delivery<'v>,
    json: Vec<(&'v Pointer, Found<'v>)>,
    /// Those of the delivery's token, if a locator asks for one.
    claims: Option<Bytes>,
}

/// What stands at a locator.
struct Value<'v> {
    /// Which of several alternatives it is, so that one's value is never taken for another's.
    choice: usize,
    values: Vec<Cow<'v, [u8]>>,
}

/// Whether the JSON that locators point into could be read, if any do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Well,
    NotAtAll,
}

impl<'v> Values<'v> {
    pub(super) fn read(
        locators: impl Iterator<Item = &'v Locator>,
        delivery: Delivery<'v>,
        document: &'v [u8],
    ) -> (Self, Read) {
        let Delivery { head, scheme, wire, .. } = delivery;
        let mut pointers = Vec::new();
        let mut asks_claims = false;
        locators.for_each(|locator| collect_pointers(locator, &mut pointers, &mut asks_claims));
        let claims = if asks_claims { claim_path::claims(scheme, head, wire) } else { None };
        let found = if pointers.is_empty() { Some(Vec::new()) } else { json::extract(document, &pointers) };
        let read = if found.is_some() { Read::Well } else { Read::NotAtAll };
        let json = pointers.into_iter().zip(found.unwrap_or_default()).collect();
        (Self { delivery, json, claims }, read)
    }

    pub(super) fn event(&self, spec: &EventSpec) -> Event {
        let first = |locators: &[Locator]| {
            let found = locators.iter().find_map(|locator| self.of(locator, None))?;
            let mut texts = String::new();
            for (index, value) in found.values.iter().enumerate() {
                if index > 0 {
                    texts.push(',');
                }
                texts.push_str(std::str::from_utf8(value).ok()?);
            }
            Some(texts)
        };
        Event { id: first(&spec.id), event_type: first(&spec.event_type) }
    }

    pub(super) fn key(
        &self,
        route: &str,
        parts: &[Locator],
        verified: &Verified,
    ) -> Result<EventKey, MissingPart> {
        let mut hash = State::digest(Sha::Sha256);
        write_with_length(&mut hash, route.as_bytes());
        for part in parts {
            let found = self.of(part, Some(verified)).ok_or_else(|| MissingPart(part.clone()))?;
            write_length(&mut hash, found.choice);
            write_length(&mut hash, found.values.len());
            for value in &found.values {
                write_with_length(&mut hash, value);
            }
        }
        let mut key = [0; 32];
        key.iter_mut().zip(hash.finish()).for_each(|(to, from)| *to = from);
        Ok(EventKey(key))
    }

    /// What stands there. `proof`: of a verified delivery, whose signature says more of some places.
    fn of(&self, locator: &Locator, proof: Option<&Verified>) -> Option<Value<'_>> {
        let Delivery { head, scheme, wire, plain } = self.delivery;
        let values = match locator {
            Locator::Header(name) => match head.single(name) {
                Single::Once(value) => vec![Cow::Borrowed(value)],
                Single::Absent | Single::Repeated => return None,
            },
            Locator::Query(name) => vec![once(form::field(head.query()?.as_bytes(), name))?],
            Locator::Form(name) => vec![once(body::form_field(head.headers, plain, name))?],
            Locator::Json(pointer) => {
                let (_, found) = self.json.iter().find(|(known, _)| *known == pointer)?;
                found.iter().map(|value| Cow::Borrowed(value.as_bytes())).collect()
            }
            Locator::Claim(path) => path
                .find(self.claims.as_deref()?)
                .into_iter()
                .map(|text| Cow::Owned(text.into_bytes()))
                .collect(),
            Locator::Body => vec![Cow::Owned(hex::encode(sha256(plain)).into_bytes())],
            Locator::Signed => {
                let digest = signed::digest(scheme, proof?, head, wire)?;
                vec![Cow::Owned(hex::encode(digest).into_bytes())]
            }
            Locator::AnyOf(any) => {
                // Beside the header that the signature covers another one is anybody's word, and the same id under
                // another form's name is the same id.
                if let Some(signed) = any.iter().find(|one| self.is_signed_header(one, proof)) {
                    return self.of(signed, proof);
                }
                let mut present =
                    any.iter().enumerate().filter_map(|(index, one)| Some((index, self.of(one, proof)?)));
                return present.next().map(|(choice, value)| Value { choice, ..value });
            }
        };
        let is_there = !values.is_empty() && values.iter().all(|value| !value.is_empty());
        is_there.then_some(Value { choice: 0, values })
    }

    /// Whether it is a header that the template which fitted holds.
    fn is_signed_header(&self, locator: &Locator, proof: Option<&Verified>) -> bool {
        let Locator::Header(name) = locator else { return false };
        let Delivery { scheme, .. } = self.delivery;
        let template = proof.and_then(|verified| {
            let (form, template) = verified.form();
            scheme.alternatives.get(form)?.signed.get(template)
        });
        template.is_some_and(|template| {
            template.leaves().any(|part| matches!(part, Part::Header(signed) if signed == name))
        })
    }
}

fn collect_pointers<'p>(locator: &'p Locator, pointers: &mut Vec<&'p Pointer>, asks_claims: &mut bool) {
    match locator {
        Locator::Json(pointer) if pointers.contains(&pointer) => {}
        Locator::Json(pointer) => pointers.push(pointer),
        Locator::AnyOf(any) => any.iter().for_each(|one| collect_pointers(one, pointers, asks_claims)),
        Locator::Claim(_) => *asks_claims = true,
        Locator::Header(_) | Locator::Query(_) | Locator::Form(_) | Locator::Body | Locator::Signed => {}
    }
}

fn once(field: Field<'_>) -> Option<Cow<'_, [u8]>> {
    match field {
        Field::Once(value) => Some(value),
        Field::Absent | Field::Repeated => None,
    }
}

pub(super) fn write_with_length(hash: &mut State, bytes: &[u8]) {
    write_length(hash, bytes.len());
    hash.write(bytes);
}

pub(super) fn write_length(hash: &mut State, length: usize) {
    hash.write(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
}
