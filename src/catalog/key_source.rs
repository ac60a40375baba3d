//! Keys that a sender publishes: where they are, and which one a delivery needs. Fetching them is the gateway's.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::verify::{self, EventSpec, Head, Location, Locator, Pointer, Rejection, Scheme};

use super::key_url::{HostPattern, KeyUrl};

/// Where a sender publishes the keys of its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// Where they are.
    pub place: KeyPlace,
    /// Where a delivery names its key; without it the `kid` of its token does.
    pub key_id: Option<Locator>,
    /// Where the key stands in a JSON answer that is no key itself.
    pub json: Option<Pointer>,
    /// Whether they are given only with the route's bearer token.
    pub bearer: bool,
    /// The origin at which named keys are fetched instead of their own.
    pub mirror: Option<KeyUrl>,
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// All of them in one document; the URL may hold `{setting:NAME}`.
    Set(String),
    /// Each in a document of its own, at an URL that holds `{key_id}`.
    ById(String),
    /// At the URL that the delivery names.
    Named {
        /// Where it names it.
        from: Locator,
        /// The hosts it may be on.
        hosts: Vec<HostPattern>,
        /// What its path begins with.
        prefix: String,
        /// What its path ends with.
        suffix: String,
    },
}

/// The key that a delivery needs. A stranger's word, held against everything that could be held against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedKey {
    /// Where it is.
    pub url: KeyUrl,
    /// Its id in a set.
    pub id: Option<String>,
}

/// The longest id of a key.
const LONGEST_ID: usize = 128;

impl KeySource {
    /// One document with all keys.
    #[must_use]
    pub fn set(url: String) -> Self {
        Self { place: KeyPlace::Set(url), key_id: None, json: None, bearer: false, mirror: None }
    }

    /// Whether one document has all keys, so that an unknown one may be in its next version.
    #[must_use]
    pub fn is_set(&self) -> bool {
        matches!(self.place, KeyPlace::Set(_))
    }

    /// The settings its URL holds.
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        let url = match &self.place {
            KeyPlace::Set(url) | KeyPlace::ById(url) => url.as_str(),
            KeyPlace::Named { .. } => "",
        };
        url.split("{setting:").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
    }

    /// The same with the values of its settings in their places.
    #[must_use]
    pub fn with_settings(&self, value: &dyn Fn(&str) -> Option<String>) -> Self {
        let filled = |url: &str| {
            let mut text = url.to_owned();
            for name in self.settings() {
                if let Some(value) = value(name) {
                    text = text.replace(&format!("{{setting:{name}}}"), &value);
                }
            }
            text
        };
        let place = match &self.place {
            KeyPlace::Set(url) => KeyPlace::Set(filled(url)),
            KeyPlace::ById(url) => KeyPlace::ById(filled(url)),
            named @ KeyPlace::Named { .. } => named.clone(),
        };
        Self { place, ..self.clone() }
    }

    /// The same at the route's own URL: another set, another address of single keys, or another origin of named ones.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn at(&self, url: &str) -> Result<Self, String> {
        let place = match &self.place {
            KeyPlace::Set(_) => KeyPlace::Set(url.to_owned()),
            KeyPlace::ById(_) => KeyPlace::ById(url.to_owned()),
            named @ KeyPlace::Named { .. } => {
                return Ok(Self { place: named.clone(), mirror: Some(url.parse()?), ..self.clone() });
            }
        };
        Ok(Self { place, ..self.clone() })
    }

    /// Looks for what is wrong with its URL once everything is in its place.
    ///
    /// # Errors
    /// One sentence.
    pub fn check(&self) -> Result<(), String> {
        match &self.place {
            KeyPlace::Set(url) => url.parse::<KeyUrl>().map(|_| ()),
            KeyPlace::ById(url) if !url.contains("{key_id}") => {
                Err("the URL of single keys has to hold `{key_id}`".to_owned())
            }
            KeyPlace::ById(url) => url.replace("{key_id}", "x").parse::<KeyUrl>().map(|_| ()),
            KeyPlace::Named { .. } => Ok(()),
        }
    }

    /// The key that verifies this delivery, if it is what it says.
    ///
    /// # Errors
    /// The delivery names no key, or one that its sender would not name.
    pub fn wanted(&self, scheme: &Scheme, head: &Head<'_>, body: &[u8]) -> Result<WantedKey, Rejection> {
        let id = match &self.key_id {
            Some(at) => text(at, scheme, head, body),
            None => token_key_id(scheme, head, body),
        };
        let url = match &self.place {
            KeyPlace::Set(url) => url.clone(),
            KeyPlace::ById(url) => {
                let id = id.as_deref().ok_or(malformed("the delivery does not name its key"))?;
                let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(known) {
                    return Err(malformed("the name of the delivery's key could be no part of an URL"));
                }
                url.replace("{key_id}", id)
            }
            KeyPlace::Named { from, hosts, prefix, suffix } => {
                let named =
                    text(from, scheme, head, body).ok_or(malformed("the delivery does not name its key"))?;
                let url: KeyUrl = named.parse().map_err(|_| malformed(ELSEWHERE))?;
                let pinned = url.is_plain()
                    && hosts.iter().any(|host| host.fits(url.host()))
                    && url.path().starts_with(prefix)
                    && url.path().ends_with(suffix);
                if !pinned {
                    return Err(malformed(ELSEWHERE));
                }
                let url = self.mirror.as_ref().map_or_else(|| url.clone(), |mirror| url.at_origin_of(mirror));
                return Ok(WantedKey { url, id: None });
            }
        };
        let url = url.parse().map_err(|_| malformed("the URL of the delivery's key is none"))?;
        Ok(WantedKey { url, id: id.filter(|_| self.is_set()) })
    }
}

const ELSEWHERE: &str = "the delivery names a key that is not where its sender publishes them";

fn text(at: &Locator, scheme: &Scheme, head: &Head<'_>, body: &[u8]) -> Option<String> {
    let spec = EventSpec { id: vec![at.clone()], ..EventSpec::default() };
    verify::event(&spec, scheme, head, body).id
}

/// The id of the key that stands beside the signature, or the `kid` of the token; nothing is proven of either.
fn token_key_id(scheme: &Scheme, head: &Head<'_>, body: &[u8]) -> Option<String> {
    scheme.alternatives.iter().find_map(|form| {
        let found = match &form.signature.location {
            Location::Header(name) => text(&Locator::Header(name.clone()), scheme, head, body),
            Location::Query(name) => text(&Locator::Query(name.clone()), scheme, head, body),
            Location::Form(name) => text(&Locator::Form(name.clone()), scheme, head, body),
            Location::Json(pointer) => text(&Locator::Json(pointer.clone()), scheme, head, body),
            _ => None,
        };
        if let Some(wrapped) = &form.signature.wrapped {
            let json = STANDARD.decode(found?).ok()?;
            let json: serde_json::Value = serde_json::from_slice(&json).ok()?;
            return json.pointer(&wrapped.key_id.as_ref()?.to_string())?.as_str().map(str::to_owned);
        }
        // Some senders send the token as the whole body.
        let found = found.or_else(|| std::str::from_utf8(body).ok().map(str::to_owned))?;
        let token = found.strip_prefix(&form.signature.prefix).unwrap_or(&found).trim();
        let header = token.split('.').next().filter(|header| header.len() <= 4096)?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
        header.get("kid")?.as_str().map(str::to_owned)
    })
}

fn malformed(what: &'static str) -> Rejection {
    Rejection::SignatureMalformed { what }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::catalog::Provider;
    use crate::yaml::{self, Problems};

    const FORMS: &str = "name: own\nsignature: SIGNATURE\nalgorithm: ALGORITHM\nkeys: KEYS\n";

    fn wanted(
        signature: &str,
        algorithm: &str,
        keys: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<(String, Option<String>), &'static str> {
        let text =
            FORMS.replace("SIGNATURE", signature).replace("ALGORITHM", algorithm).replace("KEYS", keys);
        let mut problems = Problems::new();
        let own = Provider::read(&yaml::parse(&text).unwrap(), "", &mut problems);
        let own = own.unwrap_or_else(|| panic!("{}", problems.render("own.yaml")));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let head = Head { method: "POST", target: "/", origin: None, headers: &map };
        let wanted = own.keys.as_ref().unwrap().wanted(&own.scheme, &head, body.as_bytes());
        wanted.map(|wanted| (wanted.url.as_str().to_owned(), wanted.id)).map_err(|rejection| rejection.word())
    }

    const SIGNED: &str = "ed25519\nsigned: \"{body}\"";
    const SET: &str = "{ jwks: \"https://a.example/jwks\" }";
    const ONE: &str = "{ key: \"https://a.example/{key_id}\" }";

    fn set(id: Option<&str>) -> Result<(String, Option<String>), &'static str> {
        Ok(("https://a.example/jwks".into(), id.map(str::to_owned)))
    }

    #[test]
    fn the_key_is_named_by_a_place_of_the_delivery_its_token_or_nothing() {
        let plain = "{ header: X-Sig }";
        assert_eq!(wanted(plain, SIGNED, SET, &[("x-sig", "00")], ""), set(None));
        let named = "{ jwks: \"https://a.example/jwks\", key_id: \"header:X-Key\" }";
        assert_eq!(wanted(plain, SIGNED, named, &[("x-sig", "00"), ("x-key", "k1")], ""), set(Some("k1")));
        let jwt = "jwt\njwt: { algorithms: [ES256] }\nunsigned_body: true";
        let token = "{ header: Authorization, prefix: \"Bearer \" }";
        // {"alg":"ES256","kid":"k2"}
        let value = "Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6ImsyIn0.e30.AA";
        assert_eq!(wanted(token, jwt, SET, &[("authorization", value)], ""), set(Some("k2")));
        assert_eq!(wanted(token, jwt, SET, &[("authorization", "Bearer x.y.z")], ""), set(None));
        let wrapped = "{ header: X-Sig, encoding: base64, wrapped: { json: /signature, key_id: /kid } }";
        // {"kid":"k3","signature":"AA=="}
        let value = "eyJraWQiOiJrMyIsInNpZ25hdHVyZSI6IkFBPT0ifQ==";
        let one = wanted(wrapped, SIGNED, ONE, &[("x-sig", value)], "");
        assert_eq!(one, Ok(("https://a.example/k3".into(), None)));
    }

    #[test]
    fn a_delivery_names_a_key_only_where_its_sender_publishes_them() {
        let keys = "{ certificate: { from: \"header:X-Cert\", hosts: [\"keys.#.a.example\"], prefix: /c/, suffix: .pem } }";
        let named =
            |url: &str| wanted("{ header: X-Sig }", SIGNED, keys, &[("x-cert", url)], "").map(|(url, _)| url);
        assert_eq!(named("https://keys.1.a.example/c/1.pem").unwrap(), "https://keys.1.a.example/c/1.pem");
        for other in [
            "https://keys.x.a.example/c/1.pem",
            "https://keys.1.a.example.evil.example/c/1.pem",
            "https://evil.example/keys.1.a.example/c/1.pem",
            "https://keys.1.a.example/d/1.pem",
            "https://keys.1.a.example/c/1.txt",
            "https://keys.1.a.example:8443/c/1.pem",
            "https://keys.1.a.example/c/1?.pem",
            "https://keys.1.a.example/c/../1.pem",
            "http://keys.1.a.example/c/1.pem",
            "http://127.0.0.1/c/1.pem",
            "",
        ] {
            assert_eq!(named(other), Err("signature_malformed"), "{other}");
        }
    }

    #[test]
    fn what_names_no_key_is_malformed() {
        for headers in
            [&[][..], &[("x-key", "")], &[("x-key", "a/b")], &[("x-key", "a.b")], &[("x-key", "a%2fb")]]
        {
            let keys = "{ key: \"https://a.example/{key_id}\", key_id: \"header:X-Key\" }";
            let found = wanted("{ header: X-Sig }", SIGNED, keys, headers, "");
            assert_eq!(found, Err("signature_malformed"), "{headers:?}");
        }
    }
}
