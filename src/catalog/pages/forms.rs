//! What each form of a scheme signs and how, in words.

use crate::catalog::builtin;
use crate::verify::{
    Algorithm, Alternative, Condition, JwsPayload, JwtForm, Location, Locator, Part, Subject, Test,
};
use crate::yaml::{Node, Value};

use super::Sender;
use super::template::{digest, written};
use super::words::{code, list, sentence};

impl Sender {
    /// What is signed and how, a sentence or more for each form, and what holds for all of them.
    pub(super) fn signed(&self) -> (Vec<String>, Vec<String>) {
        let told: Vec<(&Alternative, String, Vec<String>)> =
            self.forms().map(|(form, node)| (form, self.proof(form, node), self.details(form))).collect();
        let first = told.first().map_or_else(Vec::new, |(.., details)| details.clone());
        let mut common: Vec<String> =
            first.into_iter().filter(|one| told.iter().all(|(.., details)| details.contains(one))).collect();
        let forms = told.iter().map(|(form, proof, details)| {
            let only = match (told.len(), form.when.as_slice()) {
                (1, []) => String::new(),
                (_, when) => self.conditions(when),
            };
            let own = details.iter().filter(|one| !common.contains(one)).map(String::as_str);
            let first = sentence(&format!("{only}{proof}"));
            [first.as_str()].into_iter().chain(own).collect::<Vec<_>>().join(" ")
        });
        let forms = forms.collect();
        if self.provider.scheme.alternatives.last().is_some_and(|form| !form.when.is_empty()) {
            common.push("Other deliveries are refused.".to_owned());
        }
        (forms, common)
    }

    /// The algorithm and what it is over.
    fn proof(&self, form: &Alternative, node: &Node) -> String {
        let over = || {
            let templates: Vec<String> =
                form.signed.iter().map(|template| self.template(template, form)).collect();
            format!("{} ({})", templates.join("; or over "), list(&as_written(node), "or"))
        };
        match &form.algorithm {
            Algorithm::Token | Algorithm::Basic => "nothing is signed".to_owned(),
            Algorithm::Jwt(jwt) => {
                let names: Vec<&str> = jwt.algorithms.iter().map(|algorithm| algorithm.word()).collect();
                format!("a token (JWT) signed with {}", list(&names, "or"))
            }
            Algorithm::JwsDetached(jws) => {
                let names: Vec<&str> = jws.algorithms.iter().map(|algorithm| algorithm.word()).collect();
                format!("a detached JWS with {} over {}", list(&names, "or"), over())
            }
            Algorithm::HttpMessage(_) => {
                "an HTTP message signature (RFC 9421) over what it lists, the body's digest among it"
                    .to_owned()
            }
            algorithm => format!("{} over {}", builtin::algorithm(algorithm), over()),
        }
    }

    /// What else there is to know of a form, in whole sentences.
    fn details(&self, form: &Alternative) -> Vec<String> {
        let mut details = match &form.algorithm {
            Algorithm::Token => {
                vec!["The secret proves who sends, not that the body arrived unchanged.".to_owned()]
            }
            Algorithm::Basic => {
                vec!["The password proves who sends, not that the body arrived unchanged.".to_owned()]
            }
            Algorithm::Jwt(jwt) => token(jwt, &form.signature.location),
            Algorithm::JwsDetached(jws) => match jws.payload {
                JwsPayload::Encoded => Vec::new(),
                JwsPayload::Plain => vec!["The payload is signed as it is, not in base64url.".to_owned()],
                JwsPayload::Either => {
                    vec![
                        "The token's header says whether the payload is signed in base64url or as it is."
                            .to_owned(),
                    ]
                }
            },
            Algorithm::HttpMessage(message) => {
                let required: Vec<String> = message.required.iter().map(|one| code(one)).collect();
                let covers = (!required.is_empty())
                    .then(|| format!("It has to cover {} too.", list(&required, "and")));
                let tag = message.tag.as_ref().map(|tag| format!("Its tag has to be {}.", code(tag)));
                covers.into_iter().chain(tag).collect()
            }
            _ => Vec::new(),
        };
        let optional = |part: &Part| matches!(part, Part::Optional(_));
        if form.signed.iter().any(|template| template.parts().iter().any(optional)) {
            details.push("What stands in `{[…]}` is left out where there is no such value.".to_owned());
        }
        if form.sort_parts {
            details.push("The values are put in order before they are joined.".to_owned());
        }
        if let Some(sha) = form.prehash {
            details.push(format!("The sender takes the {} of that first and signs the digest.", digest(sha)));
        }
        if let Some(body) = &form.body_digest {
            let place = self.location(&body.location);
            let sha = digest(body.digest);
            details.push(format!(
                "The body is bound by its {sha}, which stands in {place} and is signed there."
            ));
        }
        if let Some(pointer) = &form.each {
            let place = code(&pointer.to_string());
            details.push(format!(
                "That is so for every element at {place} by itself: each carries its own signature, and all have to be \
                 right."
            ));
        }
        if form.unsigned_body {
            details.push("The rest of the body is not signed.".to_owned());
        }
        if !form.url.unescape.is_empty() {
            let characters = code(&form.url.unescape);
            details.push(format!("The percent-escapes of {characters} in the URL are decoded first."));
        }
        if form.url.ports {
            details.push("The URL may have been signed with or without its port; both are tried.".to_owned());
        }
        details
    }

    fn conditions(&self, when: &[Condition]) -> String {
        let one = |condition: &Condition| {
            let subject = match &condition.subject {
                Subject::Header(name) => self.place(&Locator::Header(name.clone())),
                Subject::Query(name) => self.place(&Locator::Query(name.clone())),
                Subject::Json(pointer) => self.place(&Locator::Json(pointer.clone())),
            };
            match &condition.test {
                Test::Present => format!("{subject} is there"),
                Test::Absent => format!("{subject} is not there"),
                Test::Equals(text) => format!("{subject} is {}", code(text)),
                Test::StartsWith(text) => format!("{subject} starts with {}", code(text)),
                Test::Length(length) => format!("{subject} has {length} characters"),
            }
        };
        let told: Vec<String> = when.iter().map(one).collect();
        if told.is_empty() { "Otherwise: ".to_owned() } else { format!("Where {}: ", list(&told, "and")) }
    }
}

/// What a token has to be beside signed.
fn token(jwt: &JwtForm, location: &Location) -> Vec<String> {
    let mut details = Vec::new();
    let mut bound = matches!(location, Location::Body) || jwt.alone;
    if bound {
        details.push("The token is all there is in the body; the event stands in its claims.".to_owned());
    }
    if let Some(hash) = &jwt.body_hash {
        bound = true;
        let absent = if hash.absent_if_empty { "; an empty body has none" } else { "" };
        let (claim, sha) = (code(&hash.claim), digest(hash.digest));
        details.push(format!(
            "Its claim {claim} is the {sha} of the body in {}{absent}.",
            written(hash.encoding)
        ));
    }
    if let Some(claim) = &jwt.body_text {
        bound = true;
        details.push(format!("Its claim {} is the body's own text.", code(claim)));
    }
    if !bound {
        details.push("The body is not bound to it.".to_owned());
    }
    if let Some(hash) = &jwt.url_hash {
        let (claim, sha) = (code(&hash.claim), digest(hash.digest));
        details
            .push(format!("Its claim {claim} is the {sha} of the whole URL in {}.", written(hash.encoding)));
    }
    if let Some(claim) = &jwt.url {
        details.push(format!("Its claim {} is the whole URL.", code(claim)));
    }
    if let Some(claim) = &jwt.query_hash {
        details.push(format!("Its claim {} is a digest of method, path and query.", code(claim)));
    }
    for (value, claim) in [(&jwt.issuer, "iss"), (&jwt.audience, "aud")] {
        if let Some(value) = value {
            details.push(format!("Its `{claim}` is {}.", code(value)));
        }
    }
    if !jwt.required.is_empty() {
        let names: Vec<String> = jwt.required.iter().map(|one| code(one)).collect();
        details.push(format!("It has to have {}.", list(&names, "and")));
    }
    if let Some(x5c) = &jwt.x5c {
        details
            .push(format!("It brings {} certificates, which have to lead to the route's root.", x5c.length));
    }
    details
}

/// The form's templates as the file writes them.
pub(super) fn as_written(node: &Node) -> Vec<String> {
    let text = |node: &Node| node.as_text().map(|text| code(&text.replace('\n', "\\n")));
    match node.get("signed") {
        Some(Node { value: Value::List(items), .. }) => items.iter().filter_map(text).collect(),
        Some(node) => text(node).into_iter().collect(),
        None => Vec::new(),
    }
}
