//! The text that carries signatures: its prefix, its items, the time beside them, and the bytes they stand for.

use smallvec::SmallVec;

use super::encoding::{self, Bytes};
use super::public_key::Use;
use super::rejection::Rejection;
use super::scheme::{Algorithm, Layout, PairsForm, SignatureForm};

/// DocuSign signs with up to a hundred keys at once; nobody sends more.
const MOST_SIGNATURES: usize = 100;

/// Checking a public key's signature is dear; rotation doubles one and two forms double it again.
const MOST_PUBLIC_SIGNATURES: usize = 16;

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
        Layout::Pairs(pairs) => {
            let values =
                pairs.items(whole).filter(|(name, _)| pairs.signature == "*" || *name == pairs.signature);
            let time = match &pairs.timestamp {
                Some(name) => pairs.find(whole, name).map_err(|Repeated| Rejection::TimestampMalformed)?,
                None => None,
            };
            (bounded(values.map(|(_, value)| Ok(value)))?, time)
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

/// The only signature in the text.
pub(crate) fn only<'t>(text: &SignatureText<'t>) -> Result<&'t str, Rejection> {
    match text.items.as_slice() {
        [one] => Ok(one),
        _ => Err(malformed("there are several signatures where this sender sends one")),
    }
}

/// The only token in the text. One that stands in the body may be as long as the body.
pub(crate) fn read_token<'t>(form: &SignatureForm, text: &'t str) -> Result<&'t str, Rejection> {
    if !form.location.is_in_head() && form.layout == Layout::Single {
        return strip(text, &form.prefix);
    }
    only(&read(form, text)?)
}

impl PairsForm {
    /// The names and values in the text.
    fn items<'t>(&self, text: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
        let items = text.split(|character| self.separators.contains(character));
        let items = items.map(str::trim).filter_map(|item| item.split_once(self.mark));
        items.map(|(name, value)| (name.trim(), value.trim()))
    }

    /// The value of this name. It may stand several times if it is the same each time, as in a rotation that repeats
    /// the whole text for each secret.
    pub(crate) fn find<'t>(&self, text: &'t str, name: &str) -> Result<Option<&'t str>, Repeated> {
        let mut values = self.items(text).filter(|(found, _)| *found == name).map(|(_, value)| value);
        let first = values.next();
        if values.all(|value| Some(value) == first) { Ok(first) } else { Err(Repeated) }
    }
}

/// A pair that may have one value has several.
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
        Algorithm::Ed25519 => Some(64),
        Algorithm::Ecdsa(ecdsa) => ecdsa.length(),
        Algorithm::RsaPkcs1(_)
        | Algorithm::RsaPss(_)
        | Algorithm::Token
        | Algorithm::Basic
        | Algorithm::Jwt(_)
        | Algorithm::JwsDetached(_)
        | Algorithm::HttpMessage(_) => None,
    };
    if Use::of(algorithm).is_some() && text.items.len() > MOST_PUBLIC_SIGNATURES {
        return Err(malformed("it holds more than 16 signatures"));
    }
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
    if items.len() > MOST_SIGNATURES {
        Err(malformed("it holds more than 100 signatures"))
    } else {
        Ok(items)
    }
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
            wrapped: None,
        }
    }

    fn pairs() -> Layout {
        let (separators, signature) = (",".into(), "v1".into());
        Layout::Pairs(PairsForm { separators, mark: '=', signature, timestamp: Some("t".into()) })
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
    fn a_hundred_signatures_are_tried_but_of_public_keys_sixteen() {
        let text = |count| vec!["v1=ab"; count].join(",");
        assert_eq!(read(&form("", pairs()), &text(100)).unwrap().items.len(), 100);
        assert!(read(&form("", pairs()), &text(101)).is_err());
        let public = |count| {
            let text = text(count);
            decode(
                &form("", pairs()),
                &Algorithm::RsaPkcs1(crate::verify::Sha::Sha256),
                &read(&form("", pairs()), &text).unwrap(),
            )
            .map(|candidates| candidates.len())
        };
        assert_eq!(public(16), Ok(16));
        assert!(public(17).is_err());
    }

    #[test]
    fn pairs_may_be_written_in_other_ways() {
        let layout = |separators: &str, mark, signature: &str| {
            let (separators, signature) = (separators.to_owned(), signature.to_owned());
            Layout::Pairs(PairsForm { separators, mark, signature, timestamp: Some("t".into()) })
        };
        assert_eq!(
            parts(&form("", layout(", ", '=', "v1")), "t=1,v1=ab t=1,v1=cd"),
            (vec!["ab", "cd"], Some("1"))
        );
        assert_eq!(parts(&form("", layout("&", '|', "*")), "one|ab&two|cd"), (vec!["ab", "cd"], None));
        assert_eq!(parts(&form("", layout(",", ':', "s0")), "t:1,s0:ab"), (vec!["ab"], Some("1")));
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
