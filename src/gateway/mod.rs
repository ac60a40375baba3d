//! The gateway: the only room that knows Pingora. `exchange` tells one request's story.

mod again;
mod body;
mod certificate;
mod chunked;
mod claim;
mod client;
mod connection;
mod ending;
mod exchange;
mod fetched;
mod first_contact;
mod forward;
mod framing;
mod front;
mod handshake;
mod headers;
mod kept;
mod keys;
mod listen;
mod live;
mod names;
mod patience;
mod record;
mod request;
mod respond;
mod session;
mod signing;
mod state;
mod tracing;
mod upstream;

pub(crate) use again::{NotPossible, Tried};
pub(crate) use certificate::{Certificate, load as load_certificate};
pub(crate) use listen::{Bound, Listening, Sockets, adopt, bind};
pub(crate) use live::Live;
pub(crate) use state::{Gateway, Phase};
