//! The route to write for a sender: a whole `gateway.yaml` that `sealpost check` accepts once the secret is there.

use crate::catalog::Setting;

use super::Sender;

/// The gateway's address in examples, as senders see it.
pub(super) const HOST: &str = "https://hooks.example.com";

impl Sender {
    /// The path of the route.
    pub(super) fn path(&self) -> String {
        format!("/webhooks/{}", self.provider.name)
    }

    /// The whole configuration.
    #[must_use]
    pub fn route(&self) -> String {
        let name = &self.provider.name;
        let mut lines = vec![
            "listen:".to_owned(),
            "  - address: 0.0.0.0:8080".to_owned(),
            String::new(),
            "routes:".to_owned(),
            format!("  - name: {name}"),
            format!("    match: {{ path: {} }}", self.path()),
            format!("    provider: {name}"),
        ];
        match &self.provider.keys {
            None => lines.push(format!("    secrets: [{}]", self.reference())),
            Some(keys) if keys.bearer => {
                lines.push(format!("    key_token: env:{}", self.api_token_variable()))
            }
            Some(_) => {}
        }
        if self.asks_for_token() {
            lines.push(format!("    verify_token: env:{}", self.token_variable()));
        }
        if !self.provider.settings.is_empty() {
            lines.push("    settings:".to_owned());
            for Setting { name: setting, meaning, .. } in &self.provider.settings {
                let value = self.setting(setting);
                lines.push(format!("      {setting}: {} # {meaning}", quoted(&value)));
            }
        }
        if self.needs_url() {
            lines.push(format!("    public_url: {HOST}"));
        }
        lines.push("    upstream: http://127.0.0.1:3000".to_owned());
        lines.join("\n") + "\n"
    }

    /// An example of a setting's value.
    pub(super) fn setting(&self, name: &str) -> String {
        let given = self.example().and_then(|vector| vector.settings.iter().find(|(given, _)| given == name));
        given.map_or_else(|| "…".to_owned(), |(_, value)| value.clone())
    }

    /// Whether a handshake presents a token of the route or is answered with one.
    pub(super) fn asks_for_token(&self) -> bool {
        self.provider.asks_for_token() || self.provider.answers_with_token()
    }

    /// Whether the sender's URL has to be known exactly.
    pub(super) fn needs_url(&self) -> bool {
        self.provider.scheme.signs_url() || self.provider.answers_with_url()
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
