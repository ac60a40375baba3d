//! What a route's secret is for this sender: a shared secret, a token, a password or the sender's public key.

use crate::catalog::key_source::KeyPlace;
use crate::catalog::signed;
use crate::verify::{Algorithm, Alternative, KeyEncoding, KeyForm};

use super::Sender;
use super::template::digest;
use super::words::{code, list, sentence};

/// What kind of thing a route's secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A shared secret that makes signatures.
    Secret,
    /// A text that every delivery carries.
    Token,
    /// A name and a password.
    Password,
    /// A public key of the sender.
    PublicKey,
    /// The root certificate to which the sender's own lead.
    Certificate,
}

impl Sender {
    pub(super) fn kind(&self) -> Kind {
        let form = self.provider.scheme.alternatives.first().map(|form| &form.algorithm);
        if matches!(form, Some(Algorithm::Jwt(jwt)) if jwt.x5c.is_some()) {
            return Kind::Certificate;
        }
        // Where the form of the key decides which it is, the example shows what this sender has.
        let example = self.example().map_or(&[][..], |vector| vector.secret.expose());
        if self.provider.keys.is_some() {
            return Kind::PublicKey;
        }
        let looks_public = example.starts_with(b"{") || example.starts_with(b"-----BEGIN PUBLIC KEY");
        if signed::has_public_keys(&self.provider.scheme) || looks_public {
            return Kind::PublicKey;
        }
        match form {
            Some(Algorithm::Token) => Kind::Token,
            Some(Algorithm::Basic) => Kind::Password,
            _ => Kind::Secret,
        }
    }

    /// The variable in which the page keeps the secret.
    pub(super) fn variable(&self) -> String {
        let name = upper(&self.provider.name);
        let webhook = if name.contains("WEBHOOK") { "" } else { "_WEBHOOK" };
        match self.kind() {
            Kind::Secret => format!("{name}{webhook}_SECRET"),
            Kind::Token => format!("{name}{webhook}_TOKEN"),
            Kind::Password => format!("{name}{webhook}_PASSWORD"),
            Kind::PublicKey => format!("{name}_PUBLIC_KEY"),
            Kind::Certificate => format!("{name}_ROOT"),
        }
    }

    /// The variable for the token of a handshake.
    pub(super) fn token_variable(&self) -> String {
        format!("{}_VERIFY_TOKEN", upper(&self.provider.name))
    }

    /// A reference to the secret: a key of several lines lies better in a file.
    pub(super) fn reference(&self) -> String {
        let lines = |secret: &[u8]| secret.trim_ascii().contains(&b'\n');
        let long = self.example().is_some_and(|vector| lines(vector.secret.expose()));
        match self.kind() {
            Kind::PublicKey if long => format!("file:{}.pub.pem", self.provider.name),
            Kind::Certificate => format!("file:{}.root.pem", self.provider.name),
            _ => format!("env:{}", self.variable()),
        }
    }

    /// Where the gateway fetches the sender's keys, if it does.
    pub(super) fn fetched(&self) -> Option<String> {
        let keys = self.provider.keys.as_ref()?;
        let who = self.who();
        let place = match &keys.place {
            KeyPlace::Set(url) => format!("at {}", code(url)),
            KeyPlace::ById(url) => {
                let id = keys.key_id.as_ref().map_or_else(|| "its token".to_owned(), |at| self.place(at));
                format!("at {}, where a delivery gives the id in {id}", code(url))
            }
            KeyPlace::Named { from, hosts, .. } => {
                let patterns = hosts.iter().any(|host| host.to_string().contains(['@', '#', '*']));
                let legend =
                    if patterns { " (`@`, `#` and `*` stand for letters, digits and both)" } else { "" };
                let hosts: Vec<String> = hosts.iter().map(|host| code(&host.to_string())).collect();
                let from = self.place(from);
                format!(
                    "at the URL that a delivery names in {from}, which has to be on {}{legend}",
                    list(&hosts, "or")
                )
            }
        };
        let token = if keys.bearer {
            format!(" It gives them only with a token: put one into {}.", code(&self.api_token_variable()))
        } else {
            String::new()
        };
        Some(format!(
            "There is no secret to store: {who} publishes its public keys {place}, and the gateway fetches them when a delivery \
             needs them.{token} To use a key that you were given instead, write `secrets` on the route."
        ))
    }

    /// The variable for the token with which keys are fetched.
    pub(super) fn api_token_variable(&self) -> String {
        format!("{}_API_TOKEN", upper(&self.provider.name))
    }

    /// What the secret is and how it is stored. The file's own notes on it come first.
    pub(super) fn key(&self) -> String {
        if let Some(fetched) = self.fetched() {
            let notes = self.notes_of_key().map(|note| sentence(note));
            return [fetched].into_iter().chain(notes).collect::<Vec<_>>().join(" ");
        }
        let notes: Vec<String> = self.notes_of_key().map(|note| sentence(note)).collect();
        let own = self.how_it_is_stored(&notes.concat());
        let before = (self.kind() == Kind::PublicKey).then(|| {
            let who = self.who();
            format!("The route's secret is {who}'s public key; nobody but {who} has the private one.")
        });
        before.into_iter().chain(notes).chain([own]).collect::<Vec<_>>().join(" ")
    }

    fn how_it_is_stored(&self, notes: &str) -> String {
        let it = if notes.is_empty() { "the signing secret" } else { "it" };
        match self.kind() {
            Kind::Certificate => {
                "The route's secret is the root certificate, as PEM; the deliveries bring those below it."
                    .to_owned()
            }
            Kind::PublicKey => "PEM, base64, hex and JSON Web Key Sets are all read.".to_owned(),
            Kind::Token => {
                let place = self.signature_place();
                let without = self.without_prefix();
                format!(
                    "The secret itself travels with each delivery, in {place}. Store the text that arrives there{without}."
                )
            }
            Kind::Password => "Store `user:password`, exactly as it was entered at the sender.".to_owned(),
            Kind::Secret if self.provider.reveals() => {
                "The sender's first contact brings the secret. Begin with `secrets: []` on the route, take the secret from the \
                 gateway's log or from `/api/first-contacts`, and put it in."
                    .to_owned()
            }
            Kind::Secret
                if notes.contains("decoded") || notes.contains("as text") || notes.contains("in full") =>
            {
                format!("Store {it} as it is shown.")
            }
            Kind::Secret => {
                let forms = self.provider.scheme.alternatives.iter();
                let mut told: Vec<String> = Vec::new();
                for text in
                    forms.flat_map(|form| [&form.key].into_iter().chain(&form.further_keys)).map(of_form)
                {
                    if !told.contains(&text) {
                        told.push(text);
                    }
                }
                match told.as_slice() {
                    [one] => format!("Store {it} as it is shown: {one}."),
                    several => format!(
                        "Store {it} as it is shown. It is read in each way in which it can be: {}.",
                        several.join("; or ")
                    ),
                }
            }
        }
    }

    /// Notes of the file that say what the key is.
    pub(super) fn notes_of_key(&self) -> impl Iterator<Item = &String> {
        self.provider.notes.iter().filter(|note| is_of_key(note))
    }

    /// The other notes.
    pub(super) fn other_notes(&self) -> impl Iterator<Item = &String> {
        self.provider.notes.iter().filter(|note| !is_of_key(note))
    }

    fn signature_place(&self) -> String {
        let location = self.provider.scheme.alternatives.first().map(|form| &form.signature.location);
        location.map_or_else(String::new, |location| self.location(location))
    }

    fn without_prefix(&self) -> String {
        match self.provider.scheme.alternatives.first() {
            Some(Alternative { signature, .. }) if !signature.prefix.is_empty() => {
                format!(", without the {} before it", code(signature.prefix.trim_end()))
            }
            _ => String::new(),
        }
    }
}

fn is_of_key(note: &str) -> bool {
    let starts = [
        "The key is",
        "The key ends",
        "The configured key",
        "The secret",
        "The signing secret",
        "The signing token",
        "The webhook secret",
        "The HMAC key",
    ];
    starts.iter().any(|start| note.starts_with(start)) && !note.starts_with("The key is made of")
}

fn of_form(key: &KeyForm) -> String {
    let prefix = key.strip_prefix.as_deref().map(code);
    let mut text = match (key.encoding, prefix) {
        (KeyEncoding::Utf8, None) => "its characters are the key, nothing is decoded".to_owned(),
        (KeyEncoding::Utf8, Some(prefix)) => {
            format!("{prefix} is taken off, and the characters that follow are the key")
        }
        (encoding, None) => format!("it is {}, which Sealpost decodes", encoded(encoding)),
        (encoding, Some(prefix)) => {
            format!(
                "{prefix} is taken off, if it is there, and the {} behind it is decoded",
                encoded(encoding)
            )
        }
    };
    if key.nfkd {
        text.push_str("; it is put into Unicode's form NFKD first");
    }
    if let Some(sha) = key.digest {
        text.push_str(&format!("; the {} of that is the key", digest(sha)));
    }
    if !key.suffix.is_empty() {
        text.push_str(&format!("; {} is put behind it", code(&key.suffix)));
    }
    text
}

fn encoded(encoding: KeyEncoding) -> &'static str {
    match encoding {
        KeyEncoding::Utf8 => "text",
        KeyEncoding::Base64 => "base64",
        KeyEncoding::Hex => "hex",
    }
}

/// `bella-baxter` as a part of a variable's name.
fn upper(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_what_this_sender_has_for_one() {
        let key = |name: &str| Sender::find(name).unwrap().key();
        assert!(key("asana").contains("Begin with `secrets: []`"), "{}", key("asana"));
        assert!(!key("asana").contains("as it is shown"), "{}", key("asana"));
        assert!(
            key("stripe").ends_with("its characters are the key, nothing is decoded."),
            "{}",
            key("stripe")
        );
        assert!(key("svix").contains("`whsec_` is taken off, if it is there"), "{}", key("svix"));
        assert!(key("discord").contains("Discord's public key"), "{}", key("discord"));
        assert!(key("truelayer").starts_with("There is no secret to store"), "{}", key("truelayer"));
        assert!(key("gitlab").contains("travels with each delivery, in the header `X-Gitlab-Token`"));
    }
}
