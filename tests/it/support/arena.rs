//! The usual scene: one gateway with a route for each way of signing, one upstream behind all of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::client::{Answer, Client};
use super::gateway::{Gateway, Setup, route};
use super::sender::{event, plain};
use super::upstream::Upstream;

/// Gateway and upstream. Routes, all with the secret in `TEST_SECRET`:
///
/// * `/hook`: `webhook-signature`, once per event id (`json:/id`)
/// * `/raw`: `webhook-signature`, no deduplication, bodies up to 32 MiB
/// * `/pre/*`: `webhook-signature`, no deduplication
/// * `/small`: `webhook-signature`, no deduplication, bodies up to 1 KiB
/// * `/timed`: `bella-baxter`, a signed send time
/// * `/github`: `github`
pub(crate) struct Arena {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    good: AtomicUsize,
}

impl Arena {
    /// The scene with default limits.
    pub(crate) fn new() -> Self {
        Self::with(|setup| setup)
    }

    /// The scene with something changed.
    pub(crate) fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::on(Upstream::start(), change)
    }

    /// The scene before another upstream.
    pub(crate) fn on(upstream: Upstream, change: impl FnOnce(Setup) -> Setup) -> Self {
        let setup = change(Setup::new().route(routes(upstream.url())));
        Self { gateway: setup.start(), upstream, good: AtomicUsize::new(0) }
    }

    /// Sends a good request on a new connection and checks that it, and nothing else since, reached the upstream.
    pub(crate) fn only_good_requests_arrived(&self, after: &str) {
        let number = self.good.fetch_add(1, Ordering::SeqCst);
        let marker = event(&format!("good-{number}"));
        let answer = self.gateway.send(&plain("/raw", marker));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "ok"),
            "the next good request after {after}"
        );
        let requests = self.upstream.finished(number + 1);
        let bodies: Vec<String> = requests.iter().map(|request| request.text()).collect();
        let expected: Vec<String> = (0..=number).map(|n| event(&format!("good-{n}"))).collect();
        assert_eq!(bodies, expected, "what the upstream received after {after}");
        let bytes: usize = requests.iter().map(|request| request.head.len() + request.body.len()).sum();
        assert_eq!(self.upstream.bytes(), bytes, "not a byte beside them, after {after}");
        assert!(
            self.upstream.connections() <= requests.len(),
            "not a connection beside theirs, after {after}"
        );
    }
}

/// All final answers until the connection ends.
pub(crate) fn answers(client: &mut Client) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(answer) = client.answer_to("POST") {
        if answer.status >= 200 {
            answers.push(answer);
        }
    }
    answers
}

/// The routes of the scene as YAML.
pub(crate) fn routes(upstream: &str) -> String {
    [
        route("hook", "/hook", "webhook-signature", upstream, &["timeout: 10s"]),
        route("raw", "/raw", "webhook-signature", upstream, &["dedupe: off", "body: 32MiB"]),
        route("pre", "/pre/*", "webhook-signature", upstream, &["dedupe: off"]),
        route("small", "/small", "webhook-signature", upstream, &["dedupe: off", "body: 1KiB"]),
        route("timed", "/timed", "bella-baxter", upstream, &[]),
        route("github", "/github", "github", upstream, &[]),
    ]
    .concat()
}
