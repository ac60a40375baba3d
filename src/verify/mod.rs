//! Whether a delivery is what its sender signed: a pure function of the delivery, the keys and the time.

#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing))]

mod body;
mod body_proof;
mod certificate;
mod choose;
mod claim_path;
mod claims;
mod content;
mod delivery;
mod der;
mod detached;
mod encoding;
mod event;
mod event_values;
mod examine;
mod filter;
mod form;
mod headers;
mod jose;
mod jose_form;
mod jose_keys;
mod json;
mod jwt;
mod keys;
mod lives;
mod locator;
mod mac;
pub mod meanings;
mod message;
mod message_base;
mod message_form;
mod multipart;
mod place;
mod private_key;
mod problems;
mod problems_jose;
mod public_key;
mod query_hash;
mod question;
mod read_key;
mod rejection;
mod runs;
mod scheme;
pub mod sign;
mod sign_jose;
mod sign_message;
mod signature;
mod signed;
mod structured;
mod template;
mod timestamp;
mod verdict;
mod verification;
mod webhook;
mod wrapped;
mod x5c;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_jose;
#[cfg(test)]
mod tests_message;
#[cfg(test)]
mod tests_wycheproof;

pub use claim_path::ClaimPath;
pub use delivery::Head;
pub use event::{Event, EventKey, EventSpec, MissingPart, event, event_and_key, event_key, event_key_of_id};
pub use filter::Filter;
pub use headers::{Headers, text as header_text};
pub use jose_form::{BodyHashClaim, JwsForm, JwsPayload, JwtAlgorithm, JwtForm, UrlHashClaim, X5cForm};
pub use json::places as json_places;
pub use keys::{KeyError, Keys};
pub use locator::{Location, Locator, LocatorError, Pointer};
pub use message_form::MessageForm;
pub use question::{Alphabet, LONGEST_QUESTION, Question};
pub use rejection::Rejection;
pub use scheme::{
    Algorithm, Alternative, BodyDigest, BodyForm, Condition, Curve, Ecdsa, Encoding, KeyEncoding, KeyForm,
    Layout, PairsForm, Scheme, Sha, SignatureForm, Subject, Test, TimeUnit, TimestampForm, TimestampSource,
    UnknownWord, UrlForm, Wrapped,
};
pub use template::{Part, Template, TemplateError};
pub use verification::{Verification, Verified, begin, verify};
pub use webhook::{SignerError, WebhookSigner, is_webhook_id};
