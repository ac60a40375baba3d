//! Whether a delivery is what its sender signed: a pure function of the delivery, the keys and the time.

#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing))]

mod body;
mod choose;
mod content;
mod delivery;
mod der;
mod encoding;
mod event;
mod filter;
mod form;
mod json;
mod jwt;
mod keys;
mod locator;
mod mac;
mod multipart;
mod place;
mod private_key;
mod problems;
mod public_key;
mod question;
mod rejection;
mod scheme;
pub mod sign;
mod signature;
mod signed;
mod template;
mod timestamp;
mod verdict;
mod verification;

#[cfg(test)]
mod tests;

pub use delivery::Head;
pub use event::{Event, EventKey, EventSpec, MissingPart, event, event_key};
pub use filter::Filter;
pub use keys::{KeyError, Keys};
pub use locator::{Location, Locator, LocatorError, Pointer};
pub use question::{Alphabet, LONGEST_QUESTION, Question};
pub use rejection::Rejection;
pub use scheme::{
    Algorithm, Alternative, BodyDigest, BodyForm, BodyHashClaim, Condition, Encoding, JwtAlgorithm, JwtForm,
    KeyEncoding, KeyForm, Layout, PairsForm, Scheme, Sha, SignatureForm, Subject, Test, TimeUnit,
    TimestampForm, TimestampSource, UnknownWord, UrlForm,
};
pub use template::{Part, Template, TemplateError};
pub use verification::{Verification, Verified, begin, verify};
