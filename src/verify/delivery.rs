//! A delivery as the sender sent it, borrowed: the head, and readers for its query and headers.

use http::HeaderName;

use super::headers::Headers;

/// Everything of a delivery but its body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method as received, upper case.
    pub method: &'a str,
    /// Path and query as received, byte for byte.
    pub target: &'a str,
    /// Scheme, host and port under which the sender sees this gateway, such as `https://hooks.example.com`.
    /// Only senders that sign their URL need it.
    pub origin: Option<&'a str>,
    /// The headers as received.
    pub headers: &'a dyn Headers,
}

/// What became of looking for a header that may stand only once.
pub(crate) enum Single<'a> {
    /// It is not there.
    Absent,
    /// It is there once.
    Once(&'a [u8]),
    /// It is there several times, so nobody knows which one the sender signed.
    Repeated,
}

impl<'a> Head<'a> {
    /// The target up to the query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// What follows the first `?` of the target; nothing if there is none.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    pub(crate) fn single(&self, name: &HeaderName) -> Single<'a> {
        let Some((value, next)) = self.headers.find(name, 0) else { return Single::Absent };
        match self.headers.find(name, next) {
            None => Single::Once(value),
            Some(_) => Single::Repeated,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_first_question_mark_ends_the_path() {
        let headers = HeaderMap::new();
        let head = |target| Head { method: "POST", target, origin: None, headers: &headers };
        assert_eq!((head("/a?b?c").path(), head("/a?b?c").query()), ("/a", Some("b?c")));
        assert_eq!((head("/a?").path(), head("/a?").query()), ("/a", Some("")));
        assert_eq!((head("/a").path(), head("/a").query()), ("/a", None));
    }
}
