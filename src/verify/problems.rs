//! What cannot be right about a scheme, found when it is loaded and not when a delivery comes.

use super::locator::{Location, Pointer};
use super::scheme::{Algorithm, Alternative, Encoding, Layout, Scheme, TimestampSource};
use super::template::{Part, Template};

impl Scheme {
    /// Everything that contradicts itself in this scheme, in words for whoever wrote it. Empty means usable.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        if self.alternatives.is_empty() {
            return vec!["a scheme needs at least one form".to_owned()];
        }
        let mut problems: Vec<String> = self.alternatives.iter().flat_map(Alternative::problems).collect();
        let unreachable =
            self.alternatives.iter().rev().skip(1).any(|alternative| alternative.when.is_empty());
        if unreachable {
            problems.push("a form without `when` is always chosen, so it must be the last".to_owned());
        }
        problems
    }
}

impl Alternative {
    /// Whether a changed body would be noticed. Tokens and Basic never notice.
    #[must_use]
    pub fn covers_body(&self) -> bool {
        match &self.algorithm {
            Algorithm::Token | Algorithm::Basic => false,
            Algorithm::Jwt(jwt) => {
                let claim = jwt.body_hash.is_some() || jwt.body_text.is_some();
                claim || jwt.alone || self.body_digest.is_some() || self.signature.location == Location::Body
            }
            Algorithm::HttpMessage(_) => !self.unsigned_body,
            _ => self.body_digest.is_some() || self.signed.iter().all(Template::covers_body),
        }
    }

    /// Whether a changed value at this place of the JSON would be noticed.
    #[must_use]
    pub fn covers_json(&self, pointer: &Pointer) -> bool {
        let signs = |part: &Part| match part {
            Part::Json(signed) => match &self.each {
                Some(each) => format!("{each}{signed}") == pointer.to_string(),
                None => signed == pointer,
            },
            Part::JsonRaw(signed) => pointer.is_within(signed),
            _ => false,
        };
        let all = !self.signed.is_empty() && self.signed.iter().all(|template| template.leaves().any(signs));
        self.covers_body() || all
    }

    /// Whether this form signs a template, and not a token or claims.
    pub(crate) fn signs_template(&self) -> bool {
        !matches!(
            self.algorithm,
            Algorithm::Token | Algorithm::Basic | Algorithm::Jwt(_) | Algorithm::HttpMessage(_)
        )
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wrong = |is: bool, message: &str| {
            if is {
                problems.push(message.to_owned());
            }
        };
        let part =
            |wanted: fn(&Part) -> bool| self.signed.iter().any(|template| template.leaves().any(wanted));
        let detached = matches!(self.algorithm, Algorithm::JwsDetached(_));
        let token_like = matches!(self.algorithm, Algorithm::Token | Algorithm::Basic);

        wrong(
            self.signs_template() && self.signed.is_empty(),
            "`signed` is missing: what does the signature cover?",
        );
        wrong(
            !self.signs_template() && !self.signed.is_empty(),
            "this algorithm signs no template: take `signed` out",
        );
        wrong(
            self.signs_template() && !detached && self.signature.encoding == Encoding::Text,
            "encoding `text` is for tokens; a signature is hex, base64 or base64url",
        );
        wrong(
            !token_like && !self.covers_body() && !self.unsigned_body,
            "the signature does not cover the body; if the sender really signs none of it, say `unsigned_body: true`",
        );
        wrong(
            part(|part| matches!(part, Part::Timestamp)) && self.timestamp.is_none(),
            "{timestamp} is signed but `timestamp` does not say where it stands",
        );
        wrong(
            matches!(self.algorithm, Algorithm::Digest(_)) != part(|part| matches!(part, Part::Secret)),
            "{secret} belongs into the template of a plain digest, and only there",
        );
        wrong(
            part(|part| matches!(part, Part::Pair(_))) && !matches!(self.signature.layout, Layout::Pairs(_)),
            "{pair:NAME} needs a signature that is written in pairs",
        );
        let hmac = matches!(self.algorithm, Algorithm::Hmac(_));
        wrong(!self.further_keys.is_empty() && !hmac, "several forms of the key are for HMAC only");
        wrong(
            (self.sort_parts || self.prehash.is_some()) && !self.signs_template(),
            "`sort_parts` and `prehash` belong to a signed template",
        );
        if let Some(pointer) = &self.each {
            wrong(!pointer.is_many(), "`each` leads to several elements: one step of it is `*`");
            wrong(
                self.signature.location.is_in_head()
                    || self.timestamp.is_some()
                    || self.body_digest.is_some(),
                "under `each` the signature stands in each element, and nothing beside it",
            );
        }
        wrong(
            matches!(self.signature.location, Location::Json(ref pointer) if pointer.is_many())
                && !token_like,
            "a signature stands in one place; for elements that carry one each there is `each`",
        );
        let names_time = match &self.signature.layout {
            Layout::Pairs(pairs) => pairs.timestamp.is_some(),
            Layout::Positional { .. } => true,
            Layout::Single | Layout::List { .. } | Layout::Versioned { .. } => false,
        };
        if let Some(timestamp) = &self.timestamp {
            let signed = |wanted: &dyn Fn(&Part) -> bool| {
                self.signed.iter().all(|template| template.leaves().any(wanted))
            };
            match &timestamp.source {
                TimestampSource::Signature => {
                    wrong(!names_time, "the signature's text holds no timestamp: name it in `pairs`");
                    wrong(!signed(&|part| *part == Part::Timestamp), UNSIGNED_TIME);
                }
                TimestampSource::Header(name) => wrong(
                    !signed(&|part| match part {
                        Part::Timestamp => true,
                        Part::Header(signed) => signed == name,
                        // Whether the list names it is seen when a delivery comes.
                        Part::JwsHeaders(_) => true,
                        _ => false,
                    }),
                    UNSIGNED_TIME,
                ),
                TimestampSource::Query(_) => wrong(
                    !signed(&|part| matches!(part, Part::Timestamp | Part::Url | Part::Query)),
                    UNSIGNED_TIME,
                ),
                TimestampSource::Form(name) => wrong(
                    !signed(&|part| match part {
                        Part::Timestamp | Part::Body | Part::FormSorted => true,
                        Part::FormField(field) => field == name,
                        _ => false,
                    }),
                    UNSIGNED_TIME,
                ),
                TimestampSource::Json(_) => {
                    wrong(!self.covers_body() && !signed(&|part| *part == Part::Timestamp), UNSIGNED_TIME)
                }
                TimestampSource::Claim(_) => {
                    wrong(
                        !matches!(self.algorithm, Algorithm::Jwt(_)),
                        "a timestamp from a claim needs algorithm `jwt`",
                    );
                }
                TimestampSource::Parameter(_) => wrong(
                    !matches!(self.algorithm, Algorithm::HttpMessage(_) | Algorithm::JwsDetached(_)),
                    "a timestamp from a parameter needs algorithm `http-message-signature` or `jws-detached`",
                ),
            }
            wrong(token_like, "a token signs no time: take `timestamp` out");
        }
        if let Some(digest) = &self.body_digest {
            let covers = |part: &Part| match (&digest.location, part) {
                (Location::Header(name), Part::Header(signed)) => name == signed,
                (Location::Query(_), Part::Url | Part::Query) => true,
                (Location::Query(name), Part::QueryParameter(signed)) => name == signed,
                _ => false,
            };
            let signed = self.signed.iter().all(|template| template.leaves().any(covers));
            wrong(!signed, "the body's digest is not part of what is signed, so anyone could write another");
        }
        wrong(
            part(|part| matches!(part, Part::Json(pointer) if pointer.is_many())),
            "{json:…} signs one value: `*` stands for several",
        );
        wrong(
            part(|part| *part == Part::Body) && !self.signature.location.is_in_head(),
            "a signature that stands in the body cannot cover all of it",
        );
        problems.extend(self.jose_problems());
        problems
    }
}

const UNSIGNED_TIME: &str = "the timestamp is not part of what is signed, so anyone could write a fresh one";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{BodyDigest, Sha, TimeUnit, TimestampForm};

    fn hmac(template: &str) -> Alternative {
        Alternative::new("header:x-signature".parse().unwrap(), template.parse().unwrap())
    }

    fn problems(alternative: Alternative) -> String {
        Scheme { alternatives: vec![alternative] }.problems().join("; ")
    }

    #[test]
    fn a_sound_scheme_has_none() {
        assert_eq!(problems(hmac("{body}")), "");
    }

    #[test]
    fn a_template_that_leaves_out_the_body_must_say_so() {
        assert!(problems(hmac("{json:/token}")).contains("unsigned_body"));
        assert_eq!(problems(Alternative { unsigned_body: true, ..hmac("{json:/token}") }), "");
    }

    #[test]
    fn a_time_that_is_not_signed_does_not_count() {
        let time = |name: &str| TimestampForm {
            source: TimestampSource::Header(name.parse().unwrap()),
            unit: TimeUnit::Seconds,
        };
        let with = |template: &str| Alternative { timestamp: Some(time("x-time")), ..hmac(template) };
        assert!(problems(with("{body}")).contains(UNSIGNED_TIME));
        assert_eq!(problems(with("{timestamp}{body}")), "");
        assert_eq!(problems(with("{header:x-time}{body}")), "");
        assert!(problems(hmac("{timestamp}{body}")).contains("does not say where"));
    }

    #[test]
    fn a_digest_without_the_secret_signs_nothing() {
        let digest = |template| Alternative { algorithm: Algorithm::Digest(Sha::Sha256), ..hmac(template) };
        assert!(problems(digest("{body}")).contains("{secret}"));
        assert_eq!(problems(digest("{secret}{body}")), "");
        assert!(problems(hmac("{secret}{body}")).contains("{secret}"));
    }

    #[test]
    fn a_digest_of_the_body_must_be_signed_itself() {
        let digest = |location: &str| {
            let location = location.parse().unwrap();
            Some(BodyDigest { location, prefix: String::new(), digest: Sha::Sha256, encoding: Encoding::Hex })
        };
        let with =
            |template: &str, location: &str| Alternative { body_digest: digest(location), ..hmac(template) };
        assert_eq!(problems(with("{url}", "query:sha")), "");
        assert_eq!(problems(with("{method}{header:digest}", "header:digest")), "");
        assert!(problems(with("{method}", "query:sha")).contains("anyone could write another"));
        assert!(problems(with("{header:date}", "header:digest")).contains("anyone could write another"));
    }

    #[test]
    fn a_signature_cannot_cover_itself() {
        let inside = Alternative::new("json:/signature".parse().unwrap(), "{body}".parse().unwrap());
        assert!(problems(inside).contains("cannot cover all of it"));
    }

    #[test]
    fn a_form_that_hides_those_after_it_is_found() {
        let scheme = Scheme { alternatives: vec![hmac("{body}"), hmac("{body}")] };
        assert_eq!(scheme.problems().len(), 1);
    }
}
