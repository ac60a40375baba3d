//! Every accepted vector of the catalogue through a running gateway: it arrives as it is, and changed it does not.

use sealpost::catalog::{self, Expect, Vector, Vectors};
use sealpost::yaml::{self, Problems};

use crate::support::client::Request;
use crate::support::gateway::{Gateway, Setup};
use crate::support::upstream::Upstream;

/// One vector with the route that was made for it.
struct Case {
    host: String,
    vector: Vector,
    covers_body: bool,
    refusal: u16,
}

impl Case {
    /// The route: its own host, the vector's path, and no window, because the vector was recorded once and for all.
    fn route(&self, name: &str, provider: &str, tolerance: bool, upstream: &str) -> String {
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let path = self.vector.target.split('?').next().unwrap_or("/");
        let secret = String::from_utf8_lossy(self.vector.secret.expose()).into_owned();
        let settings: Vec<String> =
            self.vector.settings.iter().map(|(name, value)| format!("{name}: {}", quote(value))).collect();
        let mut yaml = format!(
            "  - name: {name}\n    match: {{ host: {}, path: {} }}\n    provider: {provider}\n    upstream: {upstream}\n    \
             secrets: [{{ insecure: {} }}]\n",
            self.host,
            quote(path),
            quote(&secret),
        );
        if !settings.is_empty() {
            yaml.push_str(&format!("    settings: {{ {} }}\n", settings.join(", ")));
        }
        if let Some(origin) = &self.vector.origin_url {
            yaml.push_str(&format!("    public_url: {}\n", quote(origin)));
        }
        if tolerance {
            yaml.push_str("    tolerance: off\n");
        }
        yaml
    }

    fn request(&self) -> Request {
        let mut request = Request::new(&self.vector.method, &self.vector.target).with("Host", &self.host);
        for (name, value) in &self.vector.headers {
            request = request.header(name.as_str(), value.to_str().unwrap());
        }
        request.body(self.vector.body.clone())
    }

    /// The delivery with one byte of its body changed, where the signature covers it.
    fn changed(&self) -> Option<Request> {
        let mut body = self.vector.body.clone();
        *body.last_mut().filter(|_| self.covers_body)? ^= 1;
        Some(self.request().body(body))
    }
}

/// All senders and their accepted vectors. Tokens that expire cannot be sent again years later; their own tests make fresh ones.
fn cases(upstream: &str) -> (Setup, Vec<Case>) {
    let mut setup = Setup::new();
    let mut cases = Vec::new();
    for name in catalog::names() {
        let provider = catalog::find(name).unwrap();
        let mut problems = Problems::new();
        let node = yaml::parse(catalog::vectors_text(name).unwrap()).unwrap();
        for vector in Vectors::read(&node, "", &mut problems).list {
            if vector.expect != Expect::Accepted || provider.scheme.expires() {
                continue;
            }
            let route = format!("{name}-{}", cases.len());
            let case = Case {
                host: format!("{route}.test"),
                vector,
                covers_body: provider.scheme.alternatives.iter().all(|form| form.covers_body()),
                refusal: provider.refusal_status,
            };
            setup = setup.route(case.route(&route, name, provider.tolerance.is_some(), upstream));
            cases.push(case);
        }
    }
    (setup, cases)
}

#[test]
fn what_a_sender_sends_arrives_as_it_is_and_changed_it_does_not() {
    let upstream = Upstream::start();
    let (setup, cases) = cases(upstream.url());
    let gateway: Gateway = setup.start();
    let mut wrong = Vec::new();
    let mut arrived = 0;
    for case in &cases {
        if let Some(changed) = case.changed() {
            let answer = gateway.send(&changed);
            if answer.status != case.refusal {
                wrong.push(format!("{}: changed, it got {}", case.host, answer.status));
            }
        }
        let answer = gateway.send(&case.request());
        if answer.status != 200 {
            wrong.push(format!("{} ({}): it got {}", case.host, case.vector.name, answer.status));
            continue;
        }
        arrived += 1;
        if upstream.finished(arrived).last().map(|request| &request.body) != Some(&case.vector.body) {
            wrong.push(format!("{}: another body arrived", case.host));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(upstream.requests().len(), cases.len(), "nothing beside them");
    println!("{} deliveries of {} senders", cases.len(), catalog::names().count());
}
