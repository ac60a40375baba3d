//! The text that carries signatures: its prefix, its items, the time beside them, and the bytes they stand for.

use smallvec::SmallVec;

use super::encoding::{self, Bytes};
use super::rejection::Rejection;
use super::scheme::{Algorithm, Layout, SignatureForm};

/// Rotation doubles a signature, two forms double it again; sixteen are more than any sender sends.
const MOST_SIGNATURES: usize = 16;

/// A longer text is no signature: sixteen of RSA's longest, and any JWT that names an event, are shorter.
const LONGEST: usize = 16 * 1024;

/// A signature's text, taken apart.
#[derive(Debug)]
pub(crate) struct SignatureText<'t> {
    /// Everything after the prefix.
    pub(crate) whole: &'t str,
    /// The signatures, still as text.
    pub(crate) items: SmallVec<[&'t str; 2]>,
    /// The send time among them.
    pub(crate) timestamp: Option<&'t str>,
}

/// Signatures as bytes.
pub(crate) type Candidates = SmallVec<[Bytes; 1]>;

/// Takes a signature's text apart as its sender writes it.
pub(crate) fn read<'t>(form: &SignatureForm, text: &'t str) -> Result<SignatureText<'t>, Rejection> {
    if text.len() > LONGEST {
        return Err(malformed("it is too long"));
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(malformed("it is not printable ASCII"));
    }
    if let Layout::List { separator } = form.layout {
        let items = items(text, separator).map(|item| strip(item, &form.prefix));
        return Ok(SignatureText { whole: text, items: bounded(items)?, timestamp: None });
    }
    let whole = strip(text, &form.prefix)?;
    let (found, timestamp) = match &form.layout {
        Layout::Single | Layout::List { .. } => (SmallVec::from_slice(&[whole]), None),
        Layout::Pairs { separator, signature, timestamp } => {
            let values = items(whole, *separator).filter_map(|item| item.split_once('='));
            let values =
                values.filter(|(name, _)| name.trim() == signature).map(|(_, value)| Ok(value.trim()));
            let time = match timestamp {
                Some(name) => {
                    pair(whole, *separator, name).map_err(|Repeated| Rejection::TimestampMalformed)?
                }
                None => None,
            };
            (bounded(values)?, time)
        }
        Layout::Versioned { separator, versions } => {
            let items =
                items(whole, *separator).filter_map(|item| item.trim_end_matches(',').split_once(','));
            let items = items.filter(|(version, _)| versions.iter().any(|wanted| wanted == version));
            (bounded(items.map(|(_, value)| Ok(value)))?, None)
        }
        Layout::Positional { separator } => {
            let mut items = items(whole, *separator);
            let time = items.next();
            (bounded(items.map(Ok))?, time)
        }
    };
    if found.is_empty() {
        return Err(malformed("it holds no signature of an accepted name or version"));
    }
    Ok(SignatureText { whole, items: found, timestamp })
}

/// The value of the pair of this name.
pub(crate) fn pair<'t>(text: &'t str, separator: char, name: &str) -> Result<Option<&'t str>, Repeated> {
    let pairs = items(text, separator).filter_map(|item| item.split_once('='));
    let mut values = pairs.filter(|(found, _)| found.trim() == name).map(|(_, value)| value.trim());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Repeated),
    }
}

/// A pair that may stand once stands several times.
#[derive(Debug)]
pub(crate) struct Repeated;

/// The signatures' bytes, all of the length that the algorithm makes.
pub(crate) fn decode(
    form: &SignatureForm,
    algorithm: &Algorithm,
    text: &SignatureText<'_>,
) -> Result<Candidates, Rejection> {
    let length = match algorithm {
        Algorithm::Hmac(sha) | Algorithm::Digest(sha) => Some(sha.length()),
        Algorithm::Ed25519 | Algorithm::EcdsaP256 { fixed: true } => Some(64),
        Algorithm::EcdsaP256 { fixed: false }
        | Algorithm::RsaPkcs1(_)
        | Algorithm::RsaPss(_)
        | Algorithm::Token
        | Algorithm::Basic
        | Algorithm::Jwt(_) => None,
    };
    let decoded = text.items.iter().map(|item| {
        let bytes =
            encoding::decode(item, form.encoding).ok_or(malformed("it is not written in its encoding"))?;
        if length.is_some_and(|length| bytes.len() != length) {
            return Err(malformed("it does not have its algorithm's length"));
        }
        Ok(bytes)
    });
    decoded.collect()
}

fn malformed(what: &'static str) -> Rejection {
    Rejection::SignatureMalformed { what }
}

fn strip<'t>(text: &'t str, prefix: &str) -> Result<&'t str, Rejection> {
    text.strip_prefix(prefix).ok_or(malformed("its prefix is missing"))
}

fn items(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|item| !item.is_empty())
}

fn bounded<'t>(
    items: impl Iterator<Item = Result<&'t str, Rejection>>,
) -> Result<SmallVec<[&'t str; 2]>, Rejection> {
    let items: SmallVec<[&str; 2]> =
        items.take(MOST_SIGNATURES.saturating_add(1)).collect::<Result<_, Rejection>>()?;
    if items.len() > MOST_SIGNATURES { Err(malformed("it holds more than 16 signatures")) } else { Ok(items) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Encoding;
    use proptest::prelude::*;

    fn form(prefix: &str, layout: Layout) -> SignatureForm {
        SignatureForm {
            location: "header:x-signature".parse().unwrap(),
            prefix: prefix.to_owned(),
            layout,
            encoding: Encoding::Hex,
        }
    }

    fn pairs() -> Layout {
        Layout::Pairs { separator: ',', signature: "v1".into(), timestamp: Some("t".into()) }
    }

    fn versioned() -> Layout {
        Layout::Versioned { separator: ' ', versions: vec!["v1".into()] }
    }

    fn parts(form: &SignatureForm, text: &'static str) -> (Vec<&'static str>, Option<&'static str>) {
        let text = read(form, text).unwrap();
        (text.items.to_vec(), text.timestamp)
    }

    #[test]
    fn each_layout_gives_its_signatures() {
        assert_eq!(parts(&form("sha256=", Layout::Single), "sha256=ab"), (vec!["ab"], None));
        assert_eq!(parts(&form("", pairs()), "t=1,v1=ab,v0=cd, v1 = ef"), (vec!["ab", "ef"], Some("1")));
        assert_eq!(
            parts(&form("s=", Layout::List { separator: ',' }), "s=ab, s=cd"),
            (vec!["ab", "cd"], None)
        );
        assert_eq!(parts(&form("", versioned()), "v1,a= v1a,b v2,c  v1,d"), (vec!["a=", "d"], None));
        assert_eq!(parts(&form("", versioned()), "v1,ab, v1,cd"), (vec!["ab", "cd"], None));
        assert_eq!(
            parts(&form("", Layout::Positional { separator: ',' }), "1,ab,cd"),
            (vec!["ab", "cd"], Some("1"))
        );
    }

    #[test]
    fn what_the_sender_would_not_write_is_malformed() {
        for (prefix, layout, text) in [
            ("sha256=", Layout::Single, "ab"),
            ("sha256=", Layout::Single, "SHA256=ab"),
            ("", Layout::Single, "a\tb"),
            ("", Layout::Single, "ä"),
            ("", pairs(), "t=1"),
            ("", pairs(), "v2=ab,t=1"),
            ("", versioned(), "v1a,ab"),
            ("", versioned(), "ab"),
            ("s=", Layout::List { separator: ',' }, "s=ab, cd"),
            ("", Layout::Positional { separator: ',' }, "1"),
        ] {
            let refused = read(&form(prefix, layout), text).unwrap_err();
            assert_eq!(refused.word(), "signature_malformed", "{text:?}");
        }
        assert_eq!(read(&form("", pairs()), "t=1,t=2,v1=ab").unwrap_err(), Rejection::TimestampMalformed);
    }

    #[test]
    fn sixteen_signatures_are_tried_and_seventeen_are_refused() {
        let text = |count| vec!["v1=ab"; count].join(",");
        assert_eq!(read(&form("", pairs()), &text(16)).unwrap().items.len(), 16);
        assert!(read(&form("", pairs()), &text(17)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~]{0,40}|\\PC{0,20}|([tv]1?[=,][ab,= ]{0,4}){0,20}") {
            for layout in [
                Layout::Single, pairs(), versioned(), Layout::List { separator: ',' }, Layout::Positional { separator: ' ' },
            ] {
                let form = form("", layout);
                if let Ok(read) = read(&form, &text) {
                    let _ = decode(&form, &Algorithm::Ed25519, &read);
                }
            }
        }
    }
}
