//! `limits`: what one gateway may hold at once, and the readers of numbers that must not be zero.

use std::time::Duration;

use super::Limits;
use super::load::Shared;
use crate::yaml::{Fields, show_duration};

/// No wait for a peer is longer than a day; timers beyond some decades overflow.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 5 << 20,
            buffered: 256 << 20,
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            headers: 64 << 10,
        }
    }
}

/// Reads `limits`; what is left out or wrong has its default.
pub(super) fn limits(fields: &mut Fields<'_, '_>, shared: &mut Shared<'_>) -> Limits {
    let default = Limits::default();
    let Some(mut fields) = fields.child("limits") else { return default };
    let limits = Limits {
        body: size(&mut fields, "body").unwrap_or(default.body),
        buffered: size(&mut fields, "buffered").unwrap_or(default.buffered),
        connections: count(&mut fields, "connections").unwrap_or(default.connections),
        header_timeout: wait(&mut fields, "header_timeout").unwrap_or(default.header_timeout),
        body_timeout: wait(&mut fields, "body_timeout").unwrap_or(default.body_timeout),
        headers: size(&mut fields, "headers")
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.headers),
    };
    if limits.body > limits.buffered {
        let path = format!("{}.body", fields.path());
        shared.warnings.report(
            path,
            fields.place_of("body"),
            "larger than `buffered`, so a body of this size is never held",
        );
    }
    fields.finish();
    limits
}

/// A size that is not zero.
pub(super) fn size(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<u64> {
    let bytes = fields.size(key)?;
    not_zero(fields, key, bytes == 0).then_some(bytes)
}

/// A number that is not zero.
pub(super) fn count(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<usize> {
    let number = fields.integer(key)?;
    let number = not_zero(fields, key, number == 0).then_some(number)?;
    let fits = usize::try_from(number).ok();
    if fits.is_none() {
        fields.report_at(key, "too large for this machine");
    }
    fits
}

/// A time to wait for a peer: not zero, at most a day.
pub(super) fn wait(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Duration> {
    span(fields, key, LONGEST_WAIT)
}

/// A duration that is not zero and at most `longest`.
pub(super) fn span(fields: &mut Fields<'_, '_>, key: &'static str, longest: Duration) -> Option<Duration> {
    let duration = fields.duration(key)?;
    if duration > longest {
        fields.report_at(key, format!("at most {} is possible here", show_duration(longest)));
        return None;
    }
    not_zero(fields, key, duration.is_zero()).then_some(duration)
}

fn not_zero(fields: &mut Fields<'_, '_>, key: &'static str, is_zero: bool) -> bool {
    if is_zero {
        fields.report_at(key, "zero would let nothing through; leave the key out for the default");
    }
    !is_zero
}
