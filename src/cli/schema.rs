//! `sealpost schema`: the JSON Schema of gateway.yaml.

use super::output::{Outcome, print_json};

/// Prints it.
pub(super) fn execute() -> Outcome {
    print_json(&crate::config::schema())
}
