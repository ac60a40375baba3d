//! The head of a request: read from the wire strictly, or taken over from HTTP/2.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::{Method, Version};
use pingora::http::RequestHeader;

use super::fields::Fields;
use crate::gateway::framing::{self, Framing, Problem};

/// The most header lines of a request. Over HTTP/2 they are counted by [`framing::check_semantics`].
pub(in crate::gateway) const MAX_FIELDS: usize = 256;

/// The head of a request.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Head {
    pub(in crate::gateway) method: Method,
    pub(in crate::gateway) version: Version,
    /// The target as it was sent: a path with its query, or a URL.
    pub(in crate::gateway) target: String,
    /// HTTP/2's `:authority`.
    pub(in crate::gateway) authority: Option<String>,
    /// The header lines as they were sent.
    pub(in crate::gateway) fields: Fields,
}

/// A head and what follows from it.
#[derive(Debug)]
pub(in crate::gateway) struct Parsed {
    pub(super) head: Head,
    /// Where the body ends.
    pub(super) framing: Framing,
    /// Whether the connection may carry another request after this one (RFC 9112 section 9.3).
    pub(super) keep: bool,
}

impl Parsed {
    /// The head alone, where no connection goes on after it.
    pub(in crate::gateway) fn into_head(self) -> Head {
        self.head
    }
}

impl Head {
    /// Before the first request.
    pub(super) fn none() -> Self {
        Self {
            method: Method::GET,
            version: Version::HTTP_11,
            target: String::new(),
            authority: None,
            fields: Fields::default(),
        }
    }

    /// The head of an HTTP/2 request.
    pub(super) fn of_http2(head: &RequestHeader) -> Self {
        Self {
            method: head.method.clone(),
            version: head.version,
            // What is not UTF-8 is no target that is served.
            target: String::from_utf8_lossy(head.raw_path()).into_owned(),
            authority: head.uri.authority().map(|authority| authority.as_str().to_owned()),
            fields: Fields::of(&head.headers),
        }
    }

    /// Takes a complete head out of `inbox`; `None` while it is not complete.
    ///
    /// # Errors
    /// What is wrong with it. Nothing that comes after is a request.
    pub(in crate::gateway) fn take(inbox: &mut BytesMut) -> Result<Option<Parsed>, Problem> {
        let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(inbox, &mut slots) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("the head is not HTTP"),
        };
        let raw = inbox.get(..length).unwrap_or_default();
        let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes());
        let method = method.map_err(|_| "the method is not one")?;
        let target = request.path.unwrap_or_default();
        // httparse lets more through than a target may hold; what a receiver makes of it is anybody's guess.
        if target.is_empty() || !target.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'#') {
            return Err("the request line is not METHOD target VERSION in printable ASCII");
        }
        let target = target.to_owned();
        let version = if request.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        let framing = framing::of(version, request.headers)?;
        let places = Fields::find(raw, request.headers)?;
        framing::check_line_ends(raw, places.beginnings())?;

        let fields = Fields::new(inbox.split_to(length).freeze(), places);
        let keep = framing::keeps_alive(version, &fields);
        let head = Self { method, version, target, authority: None, fields };
        Ok(Some(Parsed { head, framing, keep }))
    }
}
