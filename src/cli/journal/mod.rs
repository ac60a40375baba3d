//! The commands that ask a running gateway for its deliveries: list, follow, one, release, redeliver, numbers.

mod again;
mod ask;
mod follow;
mod list;
mod one;
mod rows;
mod stats;

pub(in crate::cli) use again::{redeliver, release};
pub(in crate::cli) use ask::Admin;
pub(in crate::cli) use stats::stats;

use super::args::DeliveriesArguments;
use super::output::Outcome;

/// `sealpost deliveries`
pub(in crate::cli) fn deliveries(arguments: &DeliveriesArguments) -> Outcome {
    let admin = Admin::find(&arguments.admin)?;
    let json = arguments.admin.json;
    if let Some(id) = &arguments.id {
        return one::show(&admin, id, json);
    }
    let chosen = list::Chosen::of(arguments);
    if arguments.export {
        return list::export(&admin, &chosen);
    }
    if arguments.follow {
        // Of a stretch of time all of it, otherwise only what leads up to now.
        let usual = if arguments.since.is_some() { 1000 } else { 10 };
        return follow::follow(admin, chosen, arguments.limit.unwrap_or(usual), json);
    }
    list::list(&admin, &chosen, arguments.limit.unwrap_or(50), json)
}
