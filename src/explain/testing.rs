//! A delivery with one mistake made on purpose, and what the explanation should say of it.
//!
//! It signs by itself, with nothing of what it tests.

use std::io::Write;
use std::time::Duration;

use ::base64::Engine;
use ::hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};

use crate::secret::{NamedSecret, Secret};
use crate::time::{Tolerance, UnixTime};
use crate::verify::{
    Algorithm, Alternative, Head, Location, Scheme, Sha, TimeUnit, TimestampForm, TimestampSource,
};

use super::{Explanation, Question, Sender, explain};

pub(super) const SIGNED_JSON: &str = r#"{"id":"evt_1","n":1}"#;

type Maker = Box<dyn Fn(&[u8], &[u8]) -> Vec<u8>>;
type Writer = Box<dyn Fn(&[u8]) -> String>;

/// One delivery; by default everything about it is right.
pub(super) struct Case {
    form: Alternative,
    content: Vec<u8>,
    body: Vec<u8>,
    key: Vec<u8>,
    secret: Vec<u8>,
    mac: Maker,
    write: Writer,
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    origin: Option<&'static str>,
    target: &'static str,
    others: Vec<(&'static str, Scheme)>,
    other_secrets: Vec<NamedSecret>,
    now: i64,
}

impl Case {
    /// These bytes are signed and sent.
    pub(super) fn signed(content: &[u8]) -> Self {
        Self {
            form: form("x-signature", "{body}"),
            content: content.to_vec(),
            body: content.to_vec(),
            key: b"hunter2".to_vec(),
            secret: b"hunter2".to_vec(),
            mac: Box::new(|key, content| hmac(Sha::Sha256, key, content)),
            write: Box::new(|mac| hex::encode(mac)),
            name: "x-signature",
            headers: Vec::new(),
            origin: None,
            target: "/hook",
            others: Vec::new(),
            other_secrets: Vec::new(),
            now: 1_700_000_000,
        }
    }

    /// But these bytes arrive.
    pub(super) fn receives(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// But these bytes are what the signer signed.
    pub(super) fn content(mut self, content: &[u8]) -> Self {
        self.content = content.to_vec();
        self
    }

    pub(super) fn with_key(mut self, key: &[u8]) -> Self {
        self.key = key.to_vec();
        self
    }

    pub(super) fn and_secret(mut self, secret: &[u8]) -> Self {
        self.secret = secret.to_vec();
        self
    }

    pub(super) fn other_secret(mut self, name: &str, secret: &[u8]) -> Self {
        self.other_secrets.push(NamedSecret::new(name, Secret::new(secret.to_vec())));
        self
    }

    pub(super) fn mac(mut self, mac: impl Fn(&[u8], &[u8]) -> Vec<u8> + 'static) -> Self {
        self.mac = Box::new(mac);
        self
    }

    pub(super) fn writes(mut self, write: impl Fn(&[u8]) -> String + 'static) -> Self {
        self.write = Box::new(write);
        self
    }

    /// But the signature stands under this name.
    pub(super) fn under(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The sender's documented form.
    pub(super) fn form(mut self, change: impl Fn(&mut Alternative)) -> Self {
        change(&mut self.form);
        self
    }

    pub(super) fn signs(self, template: &str) -> Self {
        let template = template.parse().unwrap();
        self.form(|form| form.signed = vec![std::clone::Clone::clone(&template)])
    }

    pub(super) fn timed(self, name: &'static str, unit: TimeUnit, value: &str) -> Self {
        let source = TimestampSource::Header(name.parse().unwrap());
        self.header(name, value)
            .form(|form| form.timestamp = Some(TimestampForm { source: source.clone(), unit }))
    }

    pub(super) fn at(mut self, origin: &'static str, target: &'static str) -> Self {
        (self.origin, self.target) = (Some(origin), target);
        self
    }

    pub(super) fn now(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    pub(super) fn other_sender(mut self, name: &'static str, header: &str) -> Self {
        self.others.push((name, Scheme { alternatives: vec![form(header, "{body}")] }));
        self
    }

    /// Explained, with the check that nothing secret is in what it says.
    pub(super) fn explained(self) -> Explanation {
        let mac = (self.mac)(&self.key, &self.content);
        let mut headers = HeaderMap::new();
        headers.append(HeaderName::try_from(self.name).unwrap(), (self.write)(&mac).parse().unwrap());
        for (name, value) in &self.headers {
            headers.append(*name, value.parse().unwrap());
        }
        let scheme = Scheme { alternatives: vec![self.form] };
        let others: Vec<_> = self.others.iter().map(|(name, scheme)| Sender { name, scheme }).collect();
        let explanation = explain(&Question {
            sender: Sender { name: "case", scheme: &scheme },
            secrets: &[NamedSecret::new("env:SECRET", Secret::new(self.secret.clone()))],
            head: Head { method: "POST", target: self.target, origin: self.origin, headers: &headers },
            body: &self.body,
            tolerance: Some(Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) }),
            now: UnixTime::from_seconds(self.now).unwrap(),
            other_senders: &others,
            other_secrets: &self.other_secrets,
        });
        let said = format!("{explanation:?}");
        assert!(!said.contains("hunter2") && !said.contains(&hex::encode(&mac)), "{said}");
        explanation
    }

    /// The first mistake named is this one, proven, with this in its advice.
    pub(super) fn is(self, mistake: &str, advice: &str) {
        let explanation = self.explained();
        assert!(!explanation.verified, "{explanation:#?}");
        let first = explanation.likely.first().unwrap_or_else(|| panic!("nothing found: {explanation:#?}"));
        assert_eq!(first.mistake, mistake, "{explanation:#?}");
        assert!(first.proven && first.advice.contains(advice), "{explanation:#?}");
    }

    /// No mistake is proven, and this one is suspected.
    pub(super) fn suspects(self, mistake: &str, advice: &str) {
        let explanation = self.explained();
        assert!(explanation.likely.iter().all(|mistake| !mistake.proven), "{explanation:#?}");
        let fits = |found: &super::Mistake| found.mistake == mistake && found.advice.contains(advice);
        assert!(explanation.likely.iter().any(fits), "{explanation:#?}");
    }

    pub(super) fn verifies(self) {
        let explanation = self.explained();
        assert!(explanation.verified && explanation.likely.is_empty(), "{explanation:#?}");
    }
}

pub(super) fn hmac(sha: Sha, key: &[u8], content: &[u8]) -> Vec<u8> {
    macro_rules! with {
        ($digest:ty) => {
            Hmac::<$digest>::new_from_slice(key)
                .unwrap()
                .chain_update(content)
                .finalize()
                .into_bytes()
                .to_vec()
        };
    }
    match sha {
        Sha::Md5 => unreachable!("nobody makes HMACs of MD5"),
        Sha::Sha1 => with!(sha1::Sha1),
        Sha::Sha256 => with!(sha2::Sha256),
        Sha::Sha384 => with!(sha2::Sha384),
        Sha::Sha512 => with!(sha2::Sha512),
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn form(header: &str, template: &str) -> Alternative {
    let form = Alternative::new(Location::Header(header.parse().unwrap()), template.parse().unwrap());
    assert_eq!(form.algorithm, Algorithm::Hmac(Sha::Sha256));
    form
}
