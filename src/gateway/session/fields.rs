//! Header lines as they stand on the wire: what is only passed on is neither parsed into a map nor written from one.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::verify::Headers;

/// Header lines in their order, names in the letter case they were sent in.
#[derive(Clone, Debug, Default)]
pub(in crate::gateway) struct Fields {
    raw: Bytes,
    lines: SmallVec<[Line; 16]>,
}

/// Where a name and its value stand in the head.
#[derive(Clone, Debug)]
struct Line {
    name: Range<u32>,
    value: Range<u32>,
}

impl Fields {
    /// The lines that `httparse` found in the first `length` bytes of `raw`, which they point into.
    pub(in crate::gateway) fn find(
        raw: &[u8],
        parsed: &[httparse::Header<'_>],
    ) -> Result<Places, &'static str> {
        let base = raw.as_ptr().addr();
        let place = |part: &[u8]| {
            let start = part.as_ptr().addr().checked_sub(base)?;
            let end = start.checked_add(part.len()).filter(|end| *end <= raw.len())?;
            Some(u32::try_from(start).ok()?..u32::try_from(end).ok()?)
        };
        let mut lines = SmallVec::with_capacity(parsed.len());
        for field in parsed {
            // An empty value may point anywhere.
            let name = place(field.name.as_bytes()).ok_or("a header line lies outside of its head")?;
            let value = if field.value.is_empty() { Some(0..0) } else { place(field.value) };
            lines.push(Line { name, value: value.ok_or("a header line lies outside of its head")? });
        }
        Ok(Places(lines))
    }

    /// The lines at these places of `raw`.
    pub(in crate::gateway) fn new(raw: Bytes, places: Places) -> Self {
        Self { raw, lines: places.0 }
    }

    /// Lines made from a map, for heads that did not come over HTTP/1.
    pub(in crate::gateway) fn of(headers: &HeaderMap) -> Self {
        let mut raw = BytesMut::new();
        let mut lines = SmallVec::with_capacity(headers.len());
        for (name, value) in headers {
            let mut put = |part: &[u8]| {
                let start = u32::try_from(raw.len()).unwrap_or(u32::MAX);
                raw.put_slice(part);
                start..u32::try_from(raw.len()).unwrap_or(u32::MAX)
            };
            lines.push(Line { name: put(name.as_str().as_bytes()), value: put(value.as_bytes()) });
        }
        Self { raw: raw.freeze(), lines }
    }

    /// How long the head is that they stand in.
    pub(in crate::gateway) fn length(&self) -> usize {
        self.raw.len()
    }

    /// How many lines there are.
    pub(in crate::gateway) fn count(&self) -> usize {
        self.lines.len()
    }

    /// Names and values.
    pub(in crate::gateway) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.part(&line.name), self.part(&line.value)))
    }

    /// The values of the lines with this name, which is in lower case.
    pub(in crate::gateway) fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f [u8]> {
        self.lines
            .iter()
            .filter(move |line| self.is_named(line, name.as_bytes()))
            .map(|line| self.part(&line.value))
    }

    /// The value of the first line with this name, as it can be kept.
    pub(in crate::gateway) fn value(&self, name: &'static str) -> Option<HeaderValue> {
        HeaderValue::from_bytes(self.all(name).next()?).ok()
    }

    /// Most names differ in their length, which is known without looking at them.
    fn is_named(&self, line: &Line, name: &[u8]) -> bool {
        let length = line.name.end.saturating_sub(line.name.start);
        u32::try_from(name.len()) == Ok(length) && self.part(&line.name).eq_ignore_ascii_case(name)
    }

    fn part(&self, part: &Range<u32>) -> &[u8] {
        self.raw.get(range(part)).unwrap_or_default()
    }
}

impl Headers for Fields {
    fn find(&self, name: &HeaderName, from: usize) -> Option<(&[u8], usize)> {
        let name = name.as_str().as_bytes();
        let lines = self.lines.get(from..)?;
        let place = lines.iter().position(|line| self.is_named(line, name))?;
        let value = self.part(&lines.get(place)?.value);
        Some((value, from.saturating_add(place).saturating_add(1)))
    }

    fn each(&self, show: &mut dyn FnMut(&[u8], &[u8])) {
        self.iter().for_each(|(name, value)| show(name, value));
    }
}

/// Appends a header line.
pub(in crate::gateway) fn put_line(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.reserve(name.len().saturating_add(value.len()).saturating_add(4));
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn range(part: &Range<u32>) -> Range<usize> {
    usize::try_from(part.start).unwrap_or(0)..usize::try_from(part.end).unwrap_or(0)
}

/// Where lines stand in a head that is still being taken out of its buffer.
#[derive(Debug)]
pub(in crate::gateway) struct Places(SmallVec<[Line; 16]>);

impl Places {
    /// Where the names begin.
    pub(in crate::gateway) fn beginnings(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|line| usize::try_from(line.name.start).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_order_their_letter_case_and_empty_values() {
        let raw = Bytes::from_static(b"GET / HTTP/1.1\r\nX-A: 1\r\nx-b:\r\nx-a: 2\r\n\r\n");
        let mut slots = [httparse::EMPTY_HEADER; 8];
        let mut request = httparse::Request::new(&mut slots);
        assert!(request.parse(&raw).unwrap().is_complete());
        let places = Fields::find(&raw, request.headers).unwrap();
        let fields = Fields::new(raw.clone(), places);
        let lines: Vec<_> = fields.iter().collect();
        assert_eq!(lines, [(&b"X-A"[..], &b"1"[..]), (b"x-b", b""), (b"x-a", b"2")]);
        assert_eq!(fields.all("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
        let name = HeaderName::from_static("x-a");
        let lines: &dyn Headers = &fields;
        assert_eq!(lines.values(&name).collect::<Vec<_>>(), [b"1", b"2"]);
    }

    #[test]
    fn a_map_becomes_lines() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        let fields = Fields::of(&headers);
        assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"x-a"[..], &b"1"[..]), (b"x-a", b"2")]);
        assert_eq!(fields.value("x-a"), Some(HeaderValue::from_static("1")));
    }
}
