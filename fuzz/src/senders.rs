//! The catalogue as the targets and their seeds need it: every sender with its vectors.

use std::sync::{Arc, LazyLock};

use sealpost::catalog::{self, Expect, Provider, Vector, Vectors};
use sealpost::yaml::{self, Problems};

/// A sender and its vectors.
pub struct Sender {
    /// Its file.
    pub text: &'static str,
    /// What is in it.
    pub provider: Arc<Provider>,
    /// Its deliveries.
    pub vectors: Vec<Vector>,
}

/// Every sender of the catalogue.
pub static SENDERS: LazyLock<Vec<Sender>> = LazyLock::new(|| catalog::names().filter_map(sender).collect());

fn sender(name: &str) -> Option<Sender> {
    let mut problems = Problems::new();
    let node = yaml::read(catalog::vectors_text(name)?, &mut problems)?;
    let vectors = Vectors::read(&node, "", &mut problems).list;
    Some(Sender { text: catalog::text(name)?, provider: catalog::find(name)?, vectors })
}

impl Sender {
    /// Its deliveries that are accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &Vector> {
        self.vectors.iter().filter(|vector| vector.expect == Expect::Accepted)
    }
}
