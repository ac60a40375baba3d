//! The parameters of a request to the API: read by name, each once, and none that nobody asked for.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::ReleasePart;
use crate::admit::Reason;
use crate::journal::{Filter, HiddenNow, LONGEST_WINDOW, Outcome, from_cursor};
use crate::time::UnixTime;

/// The parameters, decoded.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Of the text behind the `?`.
    ///
    /// # Errors
    /// What cannot be read, in one sentence.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut all: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| {
                let text = text.replace('+', " ");
                percent_decode_str(&text)
                    .decode_utf8()
                    .map(String::from)
                    .map_err(|_| "a parameter is not UTF-8".to_owned())
            };
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(format!("there is no parameter `{name}` here; known: {known}"));
            }
            if all.iter().any(|(other, _)| *other == name) {
                return Err(format!("`{name}` is given twice"));
            }
            // An empty field of a form is one that was left out.
            if !value.is_empty() {
                all.push((name, value));
            }
        }
        Ok(Self(all))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The number of a page's end.
    pub(super) fn cursor(&self, name: &str) -> Result<Option<u64>, String> {
        self.get(name)
            .map(|text| {
                from_cursor(text)
                    .ok_or_else(|| format!("`{name}` is no cursor: take `next` or `cursor` of an answer"))
            })
            .transpose()
    }

    /// How many there may be; `usual` where nobody says otherwise.
    pub(super) fn limit(&self, usual: usize, largest: usize) -> Result<usize, String> {
        let Some(text) = self.get("limit") else { return Ok(usual) };
        let limit = text.parse().ok().filter(|limit| (1..=largest).contains(limit));
        limit.ok_or_else(|| format!("`limit` is a number from 1 to {largest}"))
    }

    /// Which part of a release is asked for.
    pub(super) fn release_part(&self, largest: usize) -> Result<ReleasePart, String> {
        let rest = self.get("after").map(|text| {
            text.parse().map_err(|()| "`after` is no cursor: take `next` of an answer".to_owned())
        });
        Ok(ReleasePart { rest: rest.transpose()?, limit: self.limit(largest, largest)? })
    }

    /// How far back numbers go.
    pub(super) fn window(&self) -> Result<Duration, String> {
        let Some(text) = self.get("window") else { return Ok(Duration::from_secs(3600)) };
        let window = duration(text).filter(|window| !window.is_zero() && *window <= LONGEST_WINDOW);
        window.ok_or_else(|| "`window` is a duration up to 24h, such as `15m`".to_owned())
    }

    /// A point in time: Unix milliseconds, or a duration before `now`.
    fn time(&self, name: &str, now: UnixTime) -> Result<Option<UnixTime>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let ago = || {
            let ago = i64::try_from(duration(text)?.as_millis()).ok()?;
            Some(now.millis().saturating_sub(ago))
        };
        let millis = text.parse::<i64>().ok().or_else(ago);
        let millis = millis
            .ok_or_else(|| format!("`{name}` is a time in Unix milliseconds, or a duration such as `15m`"))?;
        Ok(Some(UnixTime::from_millis(millis)))
    }

    /// Which entries are asked for.
    pub(super) fn filter(&self, now: UnixTime) -> Result<Filter, String> {
        let owned = |name: &str| self.get(name).map(str::to_owned);
        Ok(Filter {
            route: owned("route"),
            reasons: self.words("reason", Reason::ALL.as_slice(), Reason::word)?,
            sender: owned("sender"),
            event_type: owned("event_type"),
            event_id: owned("event_id"),
            outcomes: self.words("outcome", Outcome::ALL.as_slice(), Outcome::word)?,
            text: owned("q"),
            since: self.time("since", now)?,
            until: self.time("until", now)?,
            hidden: HiddenNow::default(),
        })
    }

    fn words<T: Copy>(
        &self,
        name: &str,
        all: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Result<Vec<T>, String> {
        let wanted = self.get(name).into_iter().flat_map(|text| text.split(',')).map(str::trim);
        wanted
            .map(|text| {
                let found = all.iter().copied().find(|one| word(*one) == text);
                found.ok_or_else(|| {
                    let all: Vec<&str> = all.iter().map(|one| word(*one)).collect();
                    format!("`{name}` does not know `{text}`; it is one of {}", all.join(", "))
                })
            })
            .collect()
    }
}

/// `90s`, `15m`, `24h`, `7d`, `250ms`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_millis(1_795_251_600_000);

    #[test]
    fn parameters_are_decoded_and_each_is_known_and_given_once() {
        let query = Query::read("route=a+b&q=%C3%A9&event_id=", &["route", "q", "event_id"]).unwrap();
        assert_eq!(
            (query.get("route"), query.get("q"), query.get("event_id")),
            (Some("a b"), Some("é"), None)
        );
        for (text, expected) in [
            ("rout=a", "there is no parameter `rout` here; known: route"),
            ("route=a&route=b", "`route` is given twice"),
            ("route=%ff", "a parameter is not UTF-8"),
        ] {
            assert_eq!(Query::read(text, &["route"]).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_filter_says_what_it_does_not_understand() {
        let filter =
            |text: &str| Query::read(text, &["reason", "outcome", "since", "until"]).unwrap().filter(NOW);
        let good =
            filter("reason=duplicate,filtered&outcome=answered&since=15m&until=1795251599999").unwrap();
        assert_eq!(good.reasons, [Reason::Duplicate, Reason::Filtered]);
        assert_eq!(good.since, Some(UnixTime::from_millis(NOW.millis() - 900_000)));
        assert_eq!(good.until, Some(UnixTime::from_millis(NOW.millis() - 1)));
        assert!(
            filter("reason=lost")
                .unwrap_err()
                .starts_with("`reason` does not know `lost`; it is one of forwarded,")
        );
        assert!(filter("since=yesterday").unwrap_err().contains("`15m`"));
    }
}
