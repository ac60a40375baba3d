//! The pictures of the documents: what the page shows after a run of `sealpost demo`, nothing made up.
//!
//! `SEALPOST_PICTURES=docs/images cargo nextest run --locked --test page pictures` makes them anew.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::browser::Browser;

/// `sealpost demo --keep`, ended with the test.
struct Demo {
    child: Child,
    page: String,
}

impl Demo {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        let mut child = command.args(["demo", "--keep"]).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let page = said
            .map(Result::unwrap)
            .find_map(|line| {
                line.trim_start()
                    .strip_prefix("page and metrics")?
                    .split_whitespace()
                    .next()
                    .map(str::to_owned)
            })
            .expect("it says where its page is");
        Self { child, page }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_shows_what_the_demo_has_sent() {
    let demo = Demo::start();
    let mut browser = Browser::start();
    // A relative folder is one of the repository.
    let folder = std::env::var_os("SEALPOST_PICTURES")
        .map(|folder| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder));
    let photograph = |browser: &mut Browser, name: &str| {
        browser.eval("document.activeElement.blur(), scrollTo(0, 0)");
        if let Some(folder) = &folder {
            browser.photograph(&folder.join(name));
        }
    };
    browser.window(1280, 800);
    browser.scheme("light");
    browser.open(&demo.page);
    browser.until(
        "document.querySelectorAll('tbody tr').length === 9 && document.querySelector('.overview svg')",
    );
    browser.until("document.querySelector('#pause.live')");
    let list = browser.seen("tbody");
    for word in
        ["forwarded", "duplicate", "signature_mismatch", "signature_missing", "timestamp_too_old", "evt-6"]
    {
        assert!(list.contains(word), "{word} in {list}");
    }
    photograph(&mut browser, "page-list.png");

    let forged = browser.text(
        "fetch('api/deliveries?reason=signature_mismatch&limit=1').then((answer) => answer.json()).then(({ deliveries }) => deliveries[0].id)",
    );
    let one = format!("{}#/deliveries/{forged}", demo.page);
    for (name, width, height, scheme) in
        [("page-delivery.png", 1280, 800, "dark"), ("page-phone.png", 390, 844, "light")]
    {
        browser.window(width, height);
        browser.scheme(scheme);
        browser.open("about:blank");
        browser.open(&one);
        browser.until("document.querySelector('.timeline')");
        browser.until("document.querySelector('#explanation')?.childElementCount || !document.querySelector('#explanation')");
        assert!(browser.seen("main").contains("The signature does not match"));
        photograph(&mut browser, name);
    }
}
