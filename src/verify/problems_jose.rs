//! What cannot be right about a scheme with tokens, detached signatures or HTTP message signatures.

use super::certificate::oid_bytes;
use super::jose_form::{JwtAlgorithm, JwtForm, X5cForm};
use super::locator::Location;
use super::message_base::is_component;
use super::scheme::{Algorithm, Alternative, Encoding, Layout};
use super::template::{Part, Template};

/// A token with more certificates than this has no published sender.
const LONGEST_CHAIN: usize = 5;

impl Alternative {
    /// Everything that contradicts itself here, in words for whoever wrote it.
    pub(super) fn jose_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wrong = |is: bool, message: &str| {
            if is {
                problems.push(message.to_owned());
            }
        };
        let jwt = matches!(self.algorithm, Algorithm::Jwt(_));
        let detached = matches!(self.algorithm, Algorithm::JwsDetached(_));
        let message = matches!(self.algorithm, Algorithm::HttpMessage(_));
        let whole = self.signature.location == Location::Body;
        wrong(whole && !jwt, "only a JWT can be the whole body");
        wrong(
            whole && (self.signature.layout != Layout::Single || !self.signature.prefix.is_empty()),
            "a token that is the whole body has neither `prefix` nor `list` nor `pairs`",
        );
        let lists_headers =
            self.signed.iter().flat_map(Template::leaves).any(|part| matches!(part, Part::JwsHeaders(_)));
        wrong(lists_headers && !detached, "{jws_headers:…} needs algorithm `jws-detached`");
        wrong(
            lists_headers && self.signature.layout != Layout::Single,
            "{jws_headers:…} needs a header that holds the JWS alone",
        );
        wrong(
            detached && self.signature.encoding != Encoding::Text,
            "a detached JWS is text: leave `encoding` out",
        );
        wrong(
            self.signature.wrapped.is_some() && (detached || !self.signs_template()),
            "`wrapped` is for plain signatures, not for tokens",
        );
        wrong(
            self.signature.wrapped.is_some() && !self.signature.location.is_in_head(),
            "a wrapped signature stands in a header or the query",
        );
        wrong(
            self.body_digest.is_some() && (jwt || message),
            "the body's digest stands in the token's own claim (`body_hash`) or in `content-digest`",
        );
        // Elements are held against their signatures alone, and never against what a token proves of the whole body.
        wrong(
            self.each.is_some() && (jwt || message),
            "under `each` every element carries a plain signature",
        );
        match &self.algorithm {
            Algorithm::Jwt(form) => self.jwt_problems(form, &mut wrong),
            Algorithm::JwsDetached(form) => {
                wrong(form.algorithms.is_empty(), "name the JWS algorithms that this sender uses");
            }
            Algorithm::HttpMessage(form) => {
                let standard =
                    matches!(&self.signature.location, Location::Header(name) if name == "signature");
                wrong(!standard, "an HTTP message signature stands in the header Signature");
                wrong(
                    self.signature.layout != Layout::Single || !self.signature.prefix.is_empty(),
                    "an HTTP message signature has neither `prefix` nor `list` nor `pairs`",
                );
                wrong(form.most == 0, "at least one signature must be allowed");
                wrong(
                    !form.required.iter().all(|name| is_component(name)),
                    "a required component is a header's name in lower case or one of @method, @target-uri, @authority, \
                     @scheme, @request-target, @path, @query",
                );
            }
            _ => {}
        }
        problems
    }

    fn jwt_problems(&self, form: &JwtForm, wrong: &mut impl FnMut(bool, &str)) {
        wrong(form.algorithms.is_empty(), "name the JWT algorithms that this sender uses");
        let one_step = match &self.signature.location {
            Location::Json(pointer) => pointer.steps().len() == 1 && !pointer.is_many(),
            _ => false,
        };
        wrong(
            form.alone && !one_step,
            "`alone` is for a token in a member of the body's JSON, such as /token",
        );
        if let Some(x5c) = &form.x5c {
            x5c_problems(x5c, &form.algorithms, wrong);
        }
    }
}

fn x5c_problems(form: &X5cForm, algorithms: &[JwtAlgorithm], wrong: &mut impl FnMut(bool, &str)) {
    wrong(
        algorithms.iter().any(|algorithm| algorithm.hmac().is_some()),
        "certificates hold public keys: take the HMAC algorithms out",
    );
    wrong(
        !(2..=LONGEST_CHAIN).contains(&form.length),
        "`x5c` counts the certificates from the signing key's to the root's: 2 to 5",
    );
    wrong(
        form.intermediate_oid.is_some() && form.length < 3,
        "without a certificate between there is none to bear `intermediate_oid`",
    );
    let oids = [&form.leaf_oid, &form.intermediate_oid];
    wrong(
        oids.into_iter().flatten().any(|oid| oid_bytes(oid).is_none()),
        "an object identifier is numbers with dots, such as 1.2.840.113635.100.6.11.1",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{JwsForm, MessageForm, Scheme, Wrapped};

    fn problems(change: impl FnOnce(&mut Alternative)) -> String {
        let mut alternative =
            Alternative::new("header:x-signature".parse().unwrap(), "{body}".parse().unwrap());
        change(&mut alternative);
        Scheme { alternatives: vec![alternative] }.problems().join("; ")
    }

    fn jwt(change: impl FnOnce(&mut JwtForm, &mut Alternative)) -> String {
        problems(|alternative| {
            let algorithms = vec![JwtAlgorithm::Es256, JwtAlgorithm::Hs256];
            let mut form = JwtForm { algorithms, ..JwtForm::default() };
            alternative.signed.clear();
            alternative.unsigned_body = true;
            change(&mut form, alternative);
            alternative.algorithm = Algorithm::Jwt(Box::new(form));
        })
    }

    #[test]
    fn a_token_says_its_algorithms_and_may_be_the_whole_body() {
        assert_eq!(jwt(|_, _| {}), "", "the form of the key decides which kind counts");
        assert!(jwt(|form, _| form.algorithms.clear()).contains("name the JWT algorithms"));
        let whole = |prefix: &str| {
            jwt(|_, alternative| {
                alternative.signature.location = Location::Body;
                alternative.signature.prefix = prefix.to_owned();
                alternative.unsigned_body = false;
            })
        };
        assert_eq!(whole(""), "");
        assert!(whole("Bearer ").contains("neither `prefix`"));
        assert!(problems(|form| form.signature.location = Location::Body).contains("only a JWT"));
    }

    #[test]
    fn a_token_alone_in_json_covers_the_body() {
        let at = |place: &str| {
            jwt(|form, alternative| {
                alternative.signature.location = place.parse().unwrap();
                alternative.unsigned_body = false;
                form.alone = true;
            })
        };
        assert_eq!(at("json:/token"), "");
        assert!(at("json:/a/token").contains("`alone`") && at("header:x-token").contains("`alone`"));
    }

    #[test]
    fn a_chain_has_a_length_marks_and_public_keys() {
        let x5c = |length: usize, leaf: &str, between: Option<&str>, mixed: bool| {
            jwt(|form, _| {
                form.algorithms.truncate(if mixed { 2 } else { 1 });
                let intermediate_oid = between.map(str::to_owned);
                form.x5c = Some(X5cForm { length, leaf_oid: Some(leaf.to_owned()), intermediate_oid });
            })
        };
        assert_eq!(x5c(3, "1.2.840", Some("1.2.3"), false), "");
        assert!(x5c(3, "1.2.840", None, true).contains("take the HMAC"));
        assert!(x5c(1, "1.2.840", None, false).contains("2 to 5"));
        assert!(x5c(2, "1.2.840", Some("1.2.3"), false).contains("none to bear"));
        assert!(x5c(3, "apple", None, false).contains("numbers with dots"));
    }

    #[test]
    fn detached_and_wrapped_signatures_are_written_as_such() {
        let detached = |alternative: &mut Alternative, algorithms: Vec<JwtAlgorithm>| {
            alternative.algorithm = Algorithm::JwsDetached(JwsForm { algorithms, ..JwsForm::default() });
            alternative.signature.encoding = Encoding::Text;
        };
        assert_eq!(problems(|form| detached(form, vec![JwtAlgorithm::Rs256])), "");
        assert!(problems(|form| detached(form, vec![])).contains("name the JWS"));
        let lists = |form: &mut Alternative| form.signed = vec!["{jws_headers:h}{body}".parse().unwrap()];
        assert!(problems(lists).contains("needs algorithm `jws-detached`"));
        let wrapped = || Some(Wrapped { signature: "/signature".parse().unwrap(), key_id: None });
        assert_eq!(problems(|form| form.signature.wrapped = wrapped()), "");
        assert!(jwt(|_, form| form.signature.wrapped = wrapped()).contains("not for tokens"));
    }

    #[test]
    fn an_http_message_signature_stands_where_its_standard_says() {
        let message = |place: &str, required: &str| {
            problems(|alternative| {
                alternative.signature.location = place.parse().unwrap();
                alternative.signed.clear();
                let required = vec![required.to_owned()];
                alternative.algorithm =
                    Algorithm::HttpMessage(MessageForm { required, ..MessageForm::default() });
            })
        };
        assert_eq!(message("header:signature", "@method"), "");
        assert!(message("header:x-signature", "date").contains("the header Signature"));
        assert!(message("header:signature", "@body").contains("a required component"));
        assert!(message("header:signature", "Date").contains("a required component"));
    }
}
