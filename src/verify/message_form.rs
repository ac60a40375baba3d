//! What a sender's HTTP Message Signatures (RFC 9421) must be, as plain data of the provider language.

/// What a sender's HTTP message signature must be. The algorithm follows from the configured key's form; `alg`, where
/// the sender writes it, must agree. The key is HMAC's unless it reads as a public key, or [`MessageForm::public`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageForm {
    /// The label under which this sender signs. Without one every signature is tried.
    pub label: Option<String>,
    /// Components that must be covered besides `content-digest`, such as `@method`.
    pub required: Vec<String>,
    /// The `tag` that the signature must have.
    pub tag: Option<String>,
    /// How many signatures there may be.
    pub most: usize,
    /// Whether this sender signs with private keys alone, so that no key is HMAC's, in whichever form it is written.
    pub public: bool,
}

impl Default for MessageForm {
    fn default() -> Self {
        Self { label: None, required: Vec::new(), tag: None, most: 4, public: false }
    }
}
