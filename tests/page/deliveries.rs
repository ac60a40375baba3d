//! One delivery opened: its reason in plain words, its facts, its body, and what can be done with it.

use crate::scene::{Scene, event};
use crate::support::sender::plain;

#[test]
fn each_kind_of_delivery_says_in_plain_words_what_happened() {
    let mut scene = Scene::new();
    scene.one_of_each();
    for (filter, title, more) in [
        ("reason=forwarded", "Forwarded", "Secret that matched"),
        ("reason=duplicate", "Duplicate", "duplicate, accepted before"),
        ("reason=signature_mismatch", "The signature does not match", "Likely"),
        ("reason=timestamp_too_old", "Sent too long ago", "at most 300 s"),
        ("reason=upstream_failed", "The upstream broke off", "Deliver again"),
        ("reason=no_route", "No route", "Compare the address"),
    ] {
        let id = scene.open_newest(filter);
        assert_eq!(scene.browser.seen("h1"), title);
        let more = more.to_lowercase();
        scene
            .browser
            .until(&format!("document.querySelector('main').innerText.toLowerCase().includes({more:?})"));
        assert!(scene.browser.seen("main").contains(&id));
        assert!(scene.browser.seen(".timeline").contains("First byte"));
    }
    scene.open("#/deliveries/0123456789abcdef");
    scene.browser.until("document.querySelector('main').innerText.includes('holds no delivery')");
    // The 404 of a delivery that is gone is an error to Chromium's console, and the only one here.
    let home = scene.home();
    let wrong = scene.browser.wrong(&home);
    assert!(
        wrong.iter().all(|wrong| wrong.contains("404") && wrong.contains("0123456789abcdef")),
        "{wrong:#?}"
    );
}

#[test]
fn a_body_is_laid_out_beside_its_raw_bytes_with_every_digit_kept() {
    let mut scene = Scene::new();
    let body = "{\"id\":\"evt-1\",\"price\":1.0,\"big\":12345678901234567890,\"big\":1e400,\"list\":[],\"word\":null}";
    scene.gateway.send(&plain("/raw", body));
    scene.held(1);
    scene.open_newest("route=raw");
    let pretty = scene.browser.seen(".pretty pre");
    for line in [
        "  \"price\": 1.0,",
        "  \"big\": 12345678901234567890,",
        "  \"big\": 1e400,",
        "  \"list\": [],",
        "  \"word\": null",
    ] {
        assert!(pretty.lines().any(|it| it == line), "{line} in {pretty}");
    }
    assert_eq!(scene.browser.seen(".raw pre"), body);
    assert!(scene.browser.seen(".headers").to_lowercase().contains("x-webhook-signature"));

    scene.gateway.send(&plain("/raw", vec![0, 0xff, 0xfe, b'A', b'\n']));
    scene.held(2);
    scene.open_newest("route=raw");
    scene.browser.eval(
        "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Show the bytes').click()",
    );
    scene.browser.until("document.querySelector('.hex pre')?.innerText.includes('00 ff fe 41 0a')");

    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(200_000));
    scene.gateway.send(&plain("/raw", long.clone()));
    scene.held(3);
    scene.open_newest("route=raw");
    assert!(scene.browser.seen(".raw pre").len() <= 64 * 1024);
    scene.browser.click("#load-all");
    scene.browser.until(&format!("document.querySelector('.raw pre').innerText.length === {}", long.len()));
    // Deep nesting neither stops the page nor grows without end.
    scene.gateway.send(&plain("/raw", format!("{}{}", "[".repeat(2_000), "]".repeat(2_000))));
    scene.held(4);
    scene.open_newest("route=raw");
    assert!(scene.browser.seen(".raw pre").len() == 4_000);
    scene.clean();
}

#[test]
fn a_verified_delivery_is_delivered_again_after_a_question() {
    let mut scene = Scene::new();
    scene.gateway.send(&plain("/hook", event("evt-1", "order.paid")));
    scene.held(1);
    scene.open_newest("route=hook");
    scene.browser.click("#redeliver");
    scene.browser.until("document.querySelector('dialog[open]')");
    assert!(scene.browser.seen("dialog").contains("a second time"));
    scene.browser.press("Escape");
    scene.browser.until("!document.querySelector('dialog')");
    assert_eq!(scene.browser.text("document.activeElement.id"), "redeliver", "the focus comes back");
    assert_eq!(scene.upstream.requests().len(), 1);
    scene.browser.click("#redeliver");
    scene.browser.click("#dialog-go");
    let requests = scene.upstream.finished(2);
    assert_eq!(requests[0].body, requests[1].body);
    scene.browser.until("document.querySelector('main').innerText.includes('Since then')");
    scene.held(2);
    scene.clean();
}

#[test]
fn the_store_is_asked_and_told_to_forget() {
    let mut scene = Scene::new();
    scene.gateway.send(&plain("/hook", event("evt-1", "order.paid")));
    scene.held(1);
    scene.open_newest("route=hook");
    let button = |text: &str| {
        format!(
            "[...document.querySelectorAll('.facts button')].find((b) => b.textContent.startsWith('{text}'))"
        )
    };
    let press = |scene: &mut Scene, text: &str| {
        let button = button(text);
        scene.browser.until(&button);
        scene.browser.eval(&format!("{button}.click()"));
    };
    press(&mut scene, "Ask");
    press(&mut scene, "Forget");
    scene.browser.click("#dialog-go");
    scene.browser.until("document.querySelector('#toast').innerText === 'Forgotten.'");
    scene.gateway.send(&plain("/hook", event("evt-1", "order.paid")));
    assert_eq!(scene.upstream.finished(2).len(), 2, "the next copy is forwarded");
    scene.clean();
}
