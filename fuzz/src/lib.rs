//! Fuzz targets over the ground floor: each a property that must hold of any bytes, and seeds from the catalogue's vectors.
//!
//! `scripts/fuzz` runs them. What a target compares Sealpost with is written here anew, as plainly as it can be ([`naive`]).

pub mod extraction;
pub mod gateway_yaml;
pub mod jwt;
pub mod naive;
pub mod places;
pub mod provider_yaml;
pub mod senders;
pub mod signature_text;
pub mod target;
pub mod template;

use std::path::Path;

/// A property and where to begin looking for what breaks it.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its binary and of its folders.
    pub name: &'static str,
    /// Panics if the property does not hold of these bytes.
    pub run: fn(&[u8]),
    /// Inputs that reach deep.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "extraction", run: extraction::run, seeds: extraction::seeds },
    Target { name: "gateway_yaml", run: gateway_yaml::run, seeds: gateway_yaml::seeds },
    Target { name: "jwt", run: jwt::run, seeds: jwt::seeds },
    Target { name: "provider_yaml", run: provider_yaml::run, seeds: provider_yaml::seeds },
    Target { name: "signature_text", run: signature_text::run, seeds: signature_text::seeds },
    Target { name: "target", run: target::run, seeds: target::seeds },
    Target { name: "template", run: template::run, seeds: template::seeds },
];

/// Separates the fields of an input; no UTF-8 text holds it.
pub const FIELD: u8 = 0xff;

/// The fields of an input, and nothing for those that it does not have.
#[must_use]
pub fn fields<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut all = data.splitn(N, |byte| *byte == FIELD);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

/// An input of these fields.
#[must_use]
pub fn input(fields: &[&[u8]]) -> Vec<u8> {
    fields.join(&FIELD)
}

/// The target of this name.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn named(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target {name}"))
}

impl Target {
    /// Writes the seeds into a folder, each into a file of its own.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write_seeds(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        for (index, seed) in (self.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index:04}")), seed).expect("the seed can be written");
        }
    }
}

/// Writes the seeds and ends, if the variable `SEEDS_TO` names a folder: how `scripts/fuzz` asks a libFuzzer binary for them.
pub fn begin(name: &str) {
    if let Some(folder) = std::env::var_os("SEEDS_TO") {
        named(name).write_seeds(Path::new(&folder));
        std::process::exit(0);
    }
}
