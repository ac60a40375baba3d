//! What the time says of a route's secrets: ended, about to end, not begun. The file is the same, the answer is not.

use std::time::Duration;

use super::Config;
use super::secrets::Listed;
use crate::secret::{Lifetime, OutOfTime, shown};
use crate::time::{Distance, UnixTime};
use crate::yaml::{Cursor, Place, Problem, Problems};

/// How long before a secret's end it is warned of.
const WARN_AHEAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// A route of whose secrets at least one counts for a time only.
#[derive(Clone, Debug)]
pub(crate) struct RouteExpiry {
    route: String,
    path: String,
    place: Place,
    secrets: Vec<SecretExpiry>,
}

#[derive(Clone, Debug)]
struct SecretExpiry {
    name: String,
    lifetime: Lifetime,
    path: String,
    place: Place,
}

/// That of a route at this place of the file.
pub(super) fn of(route: &str, secrets: &[Listed<'_>], at: &Cursor<'_>) -> Option<RouteExpiry> {
    if !secrets.iter().any(|listed| listed.named.lifetime.is_bounded()) {
        return None;
    }
    let secret = |listed: &Listed<'_>| SecretExpiry {
        name: listed.named.name.clone(),
        lifetime: listed.named.lifetime,
        path: listed.cursor.path.clone(),
        place: listed.cursor.place(),
    };
    let place = at.node.get("secrets").map_or(at.place(), |node| node.place);
    Some(RouteExpiry {
        route: route.to_owned(),
        path: format!("{}.secrets", at.path),
        place,
        secrets: secrets.iter().map(secret).collect(),
    })
}

impl Config {
    /// What deserves a look because of the time: secrets that have ended, that end within a week or that have not
    /// begun, and routes on which none counts. They come besides [`Config::warnings`], which no clock changes.
    #[must_use]
    pub fn warnings_at(&self, now: UnixTime) -> Vec<Problem> {
        let mut warnings = Problems::new();
        for route in &self.expiries {
            for secret in &route.secrets {
                if let Some(message) = secret.message(now) {
                    warnings.report(&secret.path, secret.place, message);
                }
            }
            if route.secrets.iter().all(|secret| secret.lifetime.check(now).is_err()) {
                let message = format!(
                    "no secret of route `{}` is within its time, so every delivery is refused; add the one that the sender \
                     signs with now",
                    route.route
                );
                warnings.report(&route.path, route.place, message);
            }
        }
        warnings.sorted().into_vec()
    }
}

impl SecretExpiry {
    fn message(&self, now: UnixTime) -> Option<String> {
        let name = &self.name;
        match self.lifetime.check(now) {
            Err(OutOfTime::After(end)) => Some(format!(
                "the time of the secret `{name}` ended on {}: it verifies nothing any more and can be removed",
                shown(end)
            )),
            Err(OutOfTime::Before(begin)) => Some(format!(
                "the time of the secret `{name}` begins on {}: it verifies nothing until then",
                shown(begin)
            )),
            Ok(()) => {
                let end = self.lifetime.until?;
                let Distance::Future(left) = end.distance_from(now) else { return None };
                (left <= WARN_AHEAD).then(|| {
                    format!(
                        "the time of the secret `{name}` ends on {} ({} left)",
                        shown(end),
                        in_words(left)
                    )
                })
            }
        }
    }
}

/// Whole days, or whole hours below two days.
fn in_words(left: Duration) -> String {
    let hours = left.as_secs() / 3600;
    match hours {
        0 => "less than an hour".to_owned(),
        1..48 => format!("{hours} h"),
        _ => format!("{} days", hours / 24),
    }
}
