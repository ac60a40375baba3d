//! Why a delivery of the journal verifies or not under the configuration in force, and which mistake is likely.

use serde_json::Value;

use crate::admin::Refused;
use crate::catalog;
use crate::explain::{self, Explanation, Question, Sender};
use crate::gateway::Gateway;
use crate::journal::{Found, redact};
use crate::secret::NamedSecret;
use crate::verify::{self, Head};

/// As `sealpost explain`, with the time of reception for the present, and without fetching any key.
pub(super) fn explain(gateway: &Gateway, found: &Found) -> Result<Value, Refused> {
    let unable = |why: &str| Refused(409, why.to_owned());
    let entry = &found.entry;
    let name = entry.about.route.as_deref().ok_or_else(|| unable("no route took it"))?;
    let live = gateway.live();
    let route = live.config.routes.iter().find(|route| route.name == name);
    let route = route.ok_or_else(|| unable("its route is not in the configuration any more"))?;
    let provider = route.provider.as_deref().ok_or_else(|| unable("nothing is verified on its route"))?;
    if route.secrets.is_empty() {
        return Err(unable(
            "its route has no secret of its own to try: its keys are fetched, or it waits for one",
        ));
    }
    let kept = gateway.journal.kept(entry).ok_or_else(|| {
        unable("its headers and body are not kept: the route's `journal.bodies` says which are")
    })?;
    let headers = redact::header_map(&kept);
    let all: Vec<_> = catalog::names().filter_map(catalog::find).collect();
    let others: Vec<_> =
        all.iter().map(|other| Sender { name: &other.name, scheme: &other.scheme }).collect();
    let strangers: Vec<NamedSecret> = live
        .config
        .routes
        .iter()
        .filter(|other| other.name != name)
        .flat_map(|other| {
            other.secrets.iter().map(|named| NamedSecret {
                name: format!("secret `{}` of route `{}`", named.name, other.name),
                ..named.clone()
            })
        })
        .collect();
    let method = entry.method.as_ref().map_or("POST", http::Method::as_str);
    // As a release would see it: a URL that was mended counts.
    let origin = route.public_url.as_deref().or(kept.signed_origin.as_deref());
    let head = Head { method, target: &kept.target, origin, headers: &headers };
    let question = Question {
        sender: Sender { name: &provider.name, scheme: &provider.scheme },
        secrets: &route.secrets,
        head,
        body: &kept.body,
        tolerance: route.tolerance,
        now: entry.received,
        other_senders: &others,
        other_secrets: &strangers,
    };
    let mut explanation = explain::explain(&question);
    if explanation.verified {
        let verified = verify::verify(
            &provider.scheme,
            &route.keys,
            &question.head,
            &kept.body,
            route.tolerance,
            entry.received,
        );
        let refused = verified.ok().and_then(|verified| {
            provider.hold_against_questions(&verified, &question.head, &kept.body).err()
        });
        if let Some(rejection) = refused {
            explanation = Explanation {
                verified: false,
                reason: rejection.word(),
                detail: rejection.to_string(),
                ..explanation
            };
        }
    }
    serde_json::to_value(&explanation).map_err(|error| Refused(500, error.to_string()))
}
