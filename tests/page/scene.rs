//! The usual scene: a gateway that keeps everything, an upstream, and the page in a browser.

use std::path::PathBuf;

use crate::browser::Browser;
use crate::support::client::Request;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{hmac_hex, now, plain, timed};
use crate::support::upstream::{self, Upstream};

pub(crate) const WRONG: &str = "a-secret-that-is-not-the-senders";

/// Gateway, upstream and browser. Routes: `hook` and `raw` (`webhook-signature`, the second without dedupe), `timed`
/// (`bella-baxter`), and `late` whose secret is in the file `late.secret`.
pub(crate) struct Scene {
    pub(crate) browser: Browser,
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    secret: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(|setup| setup)
    }

    /// The scene with something changed.
    pub(crate) fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::keeping("all", change)
    }

    /// The scene with a journal that keeps these bodies.
    pub(crate) fn keeping(bodies: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let upstream = Upstream::start();
        let setup = change(Setup::new().top(format!("journal: {{ bodies: {bodies} }}")));
        let secret = setup.file("late.secret", WRONG);
        let reference = format!("secrets: [{{ file: \"{}\", name: late }}]", secret.display());
        let setup = setup
            .route(route("hook", "/hook", "webhook-signature", upstream.url(), &[]))
            .route(route("raw", "/raw", "webhook-signature", upstream.url(), &["dedupe: off", "body: 32MiB"]))
            .route(route("timed", "/timed", "bella-baxter", upstream.url(), &[]))
            .route(route("late", "/late", "webhook-signature", upstream.url(), &[&reference]));
        let gateway = setup.start();
        Self { browser: Browser::start(), gateway, upstream, secret }
    }

    /// The admin address as an origin.
    pub(crate) fn home(&self) -> String {
        format!("http://{}", self.gateway.admin())
    }

    /// Opens a place of the page, such as `#/routes`.
    pub(crate) fn open(&mut self, place: &str) {
        let address = format!("{}/{place}", self.home());
        self.browser.open("about:blank");
        self.browser.open(&address);
    }

    /// Opens the list and waits until it has this many rows and is live.
    pub(crate) fn open_list(&mut self, rows: usize) {
        self.open("");
        self.rows(rows);
        self.browser.until("document.querySelector('#pause.live')");
        self.browser.until("document.querySelector('.overview svg')");
    }

    /// Waits until the list has this many rows.
    pub(crate) fn rows(&mut self, rows: usize) {
        self.browser.until(&format!("document.querySelectorAll('tbody tr').length === {rows} && !document.querySelector('tbody[aria-busy]')"));
    }

    /// Puts the right secret into the file and waits until it is in force.
    pub(crate) fn mend(&self) {
        self.gateway.reloads(|| std::fs::write(&self.secret, crate::support::sender::SECRET).unwrap());
    }

    /// One delivery of each kind: verified, a duplicate, forged, stale, one whose upstream breaks off, and no route.
    pub(crate) fn one_of_each(&self) {
        let gateway = &self.gateway;
        assert_eq!(gateway.send(&plain("/hook", event("evt-1", "order.paid"))).status, 200);
        assert_eq!(gateway.send(&plain("/hook", event("evt-1", "order.paid"))).status, 200);
        assert_eq!(gateway.send(&forged("/hook", event("evt-2", "order.paid"))).status, 401);
        let stale = gateway.send(&timed("/timed", event("evt-3", "user.created"), now() - 86_400));
        assert!((400..500).contains(&stale.status), "{stale:?}");
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec();
        self.upstream.next(vec![upstream::Step::ReadBody, upstream::Step::Send(half), upstream::Step::Close]);
        assert!(gateway.send(&plain("/raw", event("evt-4", "order.cancelled"))).status >= 500);
        assert_eq!(gateway.send(&Request::new("GET", "/.env")).status, 404);
        self.held(6);
    }

    /// Waits until the journal holds this many.
    pub(crate) fn held(&self, entries: usize) {
        crate::support::eventually("the journal has them", || {
            (self.gateway.json("/api/deliveries?limit=1")["total_held"] == entries).then_some(())
        });
    }

    /// The id of the newest delivery of this filter.
    pub(crate) fn newest(&self, filter: &str) -> String {
        let list = self.gateway.json(&format!("/api/deliveries?limit=1&{filter}"));
        list["deliveries"][0]["id"].as_str().unwrap_or_else(|| panic!("none of {filter}")).to_owned()
    }

    /// Opens the newest delivery of this filter and waits until it is there.
    pub(crate) fn open_newest(&mut self, filter: &str) -> String {
        let id = self.newest(filter);
        self.open(&format!("#/deliveries/{id}"));
        self.browser.until("document.querySelector('.timeline')");
        id
    }

    /// Nothing went wrong in the browser.
    pub(crate) fn clean(&mut self) {
        let home = self.home();
        let wrong = self.browser.wrong(&home);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// A JSON body with this id and type.
pub(crate) fn event(id: &str, kind: &str) -> String {
    format!("{{\"id\":\"{id}\",\"type\":\"{kind}\",\"amount\":10.50,\"lines\":[{{\"sku\":\"a-1\"}}]}}")
}

/// A delivery with a signature that is not its own.
pub(crate) fn forged(target: &str, body: impl Into<Vec<u8>>) -> Request {
    let body = body.into();
    Request::new("POST", target).header("X-Webhook-Signature", hmac_hex("guessed", &body)).body(body)
}
