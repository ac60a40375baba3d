//! The same facts for a terminal and for programs.

use serde_json::{Value, json};

use crate::catalog::{Origin, Row, Setting, builtin, signed};
use crate::verify::Template;

use super::Sender;
use super::words::{code, sentence};

/// A setting, and where a delivery shows its value.
fn told(setting: &Setting) -> String {
    let shown = setting
        .shown_at
        .as_ref()
        .map(|at| format!(" (a delivery shows it in {} of the JSON body)", code(&at.to_string())));
    format!("{}: {}{}", setting.name, setting.meaning, shown.unwrap_or_default())
}

impl Sender {
    /// What there is to say of it, each with what it is about; what is not there is left out.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let provider = &self.provider;
        let row = Row::of(provider);
        let mut facts = vec![
            ("documents", provider.docs.clone()),
            ("confidence", self.how_sure()),
            ("proven by", row.proof),
            ("secret", self.key()),
        ];
        facts.extend(provider.settings.iter().map(|setting| ("setting", told(setting))));
        facts.extend(self.carried().into_iter().map(|(place, what)| ("carries", format!("{place}: {what}"))));
        let (forms, common) = self.signed();
        facts.extend(forms.into_iter().chain(common).map(|text| ("signed", text)));
        facts.extend([
            ("tolerance", self.window()),
            ("event", self.names()),
            ("event key", format!("{}: {}", row.key, self.remembered())),
            ("retries", self.retries()),
            ("timeout", self.patience()),
            ("store error", provider.on_store_error.word().to_owned()),
        ]);
        facts.extend(self.handshakes().into_iter().map(|text| ("handshake", text)));
        facts.push(("refusal", provider.refusal_status.to_string()));
        facts.extend(self.reply().map(|text| ("reply", text)));
        facts.push(("methods", provider.methods.join(", ")));
        facts.extend(self.other_notes().map(|note| ("note", format!("* {}", sentence(note)))));
        facts.retain(|(_, text)| !text.is_empty());
        facts
    }

    /// What follows from its file, in the same shape for every sender, however the file is written.
    #[must_use]
    pub fn summary(&self) -> Value {
        let provider = &self.provider;
        let retry = &provider.retry;
        let forms = self.forms().map(|(form, node)| {
            json!({
                "proof": builtin::algorithm(&form.algorithm),
                "algorithm": node.get("algorithm").and_then(|node| node.as_text()),
                "signature": form.signature.location.to_string(),
                "signed": form.signed.iter().map(Template::to_string).collect::<Vec<_>>(),
                "timestamp": form.timestamp.is_some(),
            })
        });
        let count =
            |origin: Origin| self.vectors.list.iter().filter(|vector| vector.origin == origin).count();
        json!({
            "public_key": signed::has_public_keys(&provider.scheme),
            "keys_fetched": self.fetched(),
            "signs_url": provider.scheme.signs_url(),
            "forms": forms.collect::<Vec<_>>(),
            "carries": self.carried().into_iter().map(|(place, what)| json!({ "place": place, "what": what })).collect::<Vec<_>>(),
            "settings": provider.settings.iter().map(|setting| json!({ "name": setting.name, "meaning": setting.meaning })).collect::<Vec<_>>(),
            "event": {
                "id": provider.event.id.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "type": provider.event.event_type.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "key": provider.event.key.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "id_signed": provider.id_signed,
                "remembered": provider.dedupe,
            },
            "retry": {
                "never": retry.never,
                "delays_seconds": retry.delays.iter().map(std::time::Duration::as_secs_f64).collect::<Vec<_>>(),
                "span_seconds": retry.span.map(|span| span.as_secs_f64()),
                "timeout_seconds": retry.timeout.map(|timeout| timeout.as_secs_f64()),
                "on": retry.on,
            },
            "handshakes": self.handshakes(),
            "vectors": {
                "published": count(Origin::Published),
                "sdk": count(Origin::Sdk),
                "computed": count(Origin::Computed),
            },
        })
    }
}
