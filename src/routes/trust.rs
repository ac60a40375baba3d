//! How an upstream and the gateway trust each other: requests signed for it, and certificates on either side.

use crate::secret::Secret;
use crate::verify::WebhookSigner;

/// What an upstream written as a mapping adds to its URL.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Signs what was verified, so that the app can prove that it came through here.
    pub signer: Option<WebhookSigner>,
    /// Whether the event's id is one that the sender signed, so that our signature may stand for it, too.
    pub event_id_is_signed: bool,
    /// Certificates in PEM that may issue the upstream's own, in place of the system's.
    pub authorities: Option<Secret>,
    /// The gateway's own certificate with its chain, and its key, in PEM.
    pub client: Option<ClientCertificate>,
}

/// With what the gateway proves itself to an upstream over TLS.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate and its chain.
    pub chain: Secret,
    /// Its private key.
    pub key: Secret,
}
