//! Any text read as `gateway.yaml`: no panic, every problem and warning has its place, reading twice gives the same, and
//! whatever is accepted routes, or warns that it does not.

use sealpost::config::{self, Reference, Source};
use sealpost::routes::Found;
use sealpost::secret::Secret;

use crate::places;
use crate::senders::SENDERS;

/// Every variable and file is there.
struct EverythingIsSet;

impl Source for EverythingIsSet {
    fn read(&self, _: &Reference) -> Result<Secret, String> {
        Ok(Secret::new(b"whsec_bm90IGEgc2VjcmV0IG9mIGFueWJvZHk=".to_vec()))
    }
}

/// Bytes that are no UTF-8 are read as a program would show them.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let again = config::load(&text, &EverythingIsSet);
    match config::load(&text, &EverythingIsSet) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem");
            places::check(&text, &problems);
            assert_eq!(Some(problems), again.err(), "read twice, it is not the same");
        }
        Ok(config) => {
            places::check(&text, &config.warnings);
            let again = again.expect("accepted once, accepted twice");
            assert_eq!((&config.hash, &config.warnings), (&again.hash, &again.warnings));
            assert_eq!((&config.listen, &config.limits), (&again.listen, &again.limits));
            assert!(!config.listen.is_empty(), "it listens nowhere");
            // Nothing but 404 for everybody is allowed, and never passed over in silence.
            assert!(!config.routes.is_empty() || !config.warnings.is_empty(), "no route and no warning");
            for (route, other) in config.routes.iter().zip(&again.routes) {
                assert_eq!(format!("{route:?}"), format!("{other:?}"), "read twice, it is not the same");
                let host = route.host.as_ref().map(|host| host.as_str());
                let path = route.path.to_string().replace('*', "x");
                let found = config.routes.find(host, &path, &route.methods[0]);
                assert!(!matches!(found, Found::None), "{path} of {} finds no route", route.name);
            }
        }
    }
}

/// A configuration for each sender, the whole example, and mistakes.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |provider: &str| {
        format!(
            "listen:\n  - address: 127.0.0.1:8080\nroutes:\n  - name: a\n    match: {{ path: /hooks/{provider} }}\n    \
             provider: {provider}\n    secrets: [env:SECRET]\n    upstream: http://127.0.0.1:3000\n"
        )
        .into_bytes()
    };
    let some = SENDERS.iter().step_by(9).map(|sender| of(&sender.provider.name));
    let whole = include_bytes!("../../gateway.yaml").to_vec();
    let mistakes =
        [&b"a: &a [*a]\n"[..], b"? [a]\n: b\n", b"a: !b c\n", b"\xef\xbb\xbflisten: {\r\n", b"a:\n\t- b\n"];
    some.chain([whole]).chain(mistakes.map(<[u8]>::to_vec)).collect()
}
