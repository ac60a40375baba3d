//! The header lines of a delivery, whoever holds them: a map, or the lines as they came.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Header lines that can be looked up by name, in whichever letter case they came.
///
/// A proxy that only looks up a few of them need not make a map of all of them first.
pub trait Headers: fmt::Debug + Sync {
    /// The value of the first line with this name at this place or after it, and the place after that line.
    ///
    /// The first place is 0; what the others stand for is the implementation's affair.
    fn find(&self, name: &HeaderName, from: usize) -> Option<(&[u8], usize)>;

    /// Shows each line's name and value, in their order.
    fn each(&self, show: &mut dyn FnMut(&[u8], &[u8]));
}

impl Headers for HeaderMap {
    fn find(&self, name: &HeaderName, from: usize) -> Option<(&[u8], usize)> {
        let value = self.get_all(name).iter().nth(from)?;
        Some((value.as_bytes(), from.saturating_add(1)))
    }

    fn each(&self, show: &mut dyn FnMut(&[u8], &[u8])) {
        self.iter().for_each(|(name, value)| show(name.as_str().as_bytes(), value.as_bytes()));
    }
}

impl<'h> dyn Headers + 'h {
    /// The values of all lines with this name.
    pub fn values<'s>(&'s self, name: &HeaderName) -> impl Iterator<Item = &'s [u8]> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let (value, next) = self.find(name, from)?;
            from = next;
            Some(value)
        })
    }

    /// The first line with this name, if its value is printable ASCII.
    #[must_use]
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        text(self.find(name, 0)?.0)
    }

    /// Whether there is a line with this name.
    #[must_use]
    pub fn has(&self, name: &HeaderName) -> bool {
        self.find(name, 0).is_some()
    }

    /// All of them as a map. Lines that no map can hold are left out.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        self.each(&mut |name, value| {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                map.append(name, value);
            }
        });
        map
    }
}

/// A value as text: printable ASCII and tabs, as [`HeaderValue::to_str`] has it.
#[must_use]
pub fn text(value: &[u8]) -> Option<&str> {
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    std::str::from_utf8(value).ok().filter(|_| value.iter().all(printable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shows_its_lines_and_comes_back() {
        let map: HeaderMap = [("x-a", "1"), ("x-b", "2"), ("x-a", "3")]
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        let lines: &dyn Headers = &map;
        let name = HeaderName::from_static("x-a");
        assert_eq!(lines.values(&name).collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!((lines.text(&name), lines.has(&HeaderName::from_static("x-c"))), (Some("1"), false));
        assert_eq!(lines.to_map(), map);
    }

    #[test]
    fn text_is_what_a_header_value_has_as_text() {
        for byte in 0..=u8::MAX {
            if let Ok(value) = HeaderValue::from_bytes(&[byte]) {
                assert_eq!(text(&[byte]), value.to_str().ok(), "{byte}");
            }
        }
    }
}
