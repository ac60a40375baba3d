//! Two in the morning: a wrong secret is found on the page, mended, and what was refused is released.

use crate::scene::{Scene, event};
use crate::support::sender::plain;

#[test]
fn a_wrong_secret_is_seen_mended_and_everything_released_in_order() {
    let mut scene = Scene::new();
    let bodies: Vec<String> = (0..5).map(|number| event(&format!("evt-{number}"), "order.paid")).collect();
    for body in &bodies {
        assert_eq!(scene.gateway.send(&plain("/late", body.clone())).status, 401);
    }
    scene.held(5);
    scene.open_list(5);
    // It is seen without a click, with the route, the reason, the number and what to do.
    scene.browser.until("document.querySelector('.alert')?.innerText.includes('Release 5')");
    let alert = scene.browser.seen(".alert");
    for word in [
        "late: 5 refused with",
        "signature_mismatch",
        "since",
        "never matched since the last reload",
        "secret",
    ] {
        assert!(alert.contains(word), "{word} in {alert}");
    }
    assert!(scene.upstream.requests().is_empty());

    scene.mend();
    // The page asks every ten seconds, and explains one of them under the new configuration.
    scene.browser.until("document.querySelector('.alert.good')?.innerText.includes('mended')");
    scene.browser.click(".alert.good button.primary");
    scene.browser.until("document.querySelector('dialog[open]')");
    let question = scene.browser.seen("dialog");
    for word in
        ["5 deliveries", "late", "verified again as it was received", scene.upstream.url(), "in the order"]
    {
        assert!(question.contains(word), "{word} in {question}");
    }
    scene.browser.click("#dialog-go");
    scene
        .browser
        .until("document.querySelector('dialog[open] h2')?.innerText === '5 of 5 deliveries accepted'");
    let arrived: Vec<String> = scene.upstream.finished(5).iter().map(|request| request.text()).collect();
    assert_eq!(arrived, bodies, "in the order in which they came");
    scene.browser.press("Escape");
    scene.rows(10);
    scene.browser.until("document.querySelectorAll('tbody .tag.good').length === 5");
    scene.browser.until("!document.querySelector('.alert')");

    // The sender's own retry is a duplicate now.
    assert_eq!(scene.gateway.send(&plain("/late", bodies[0].clone())).status, 200);
    assert_eq!(scene.upstream.requests().len(), 5);
    scene.clean();
}

#[test]
fn what_still_does_not_verify_stays_refused() {
    let mut scene = Scene::new();
    scene.gateway.send(&plain("/late", event("evt-1", "order.paid")));
    scene.held(1);
    scene.open_newest("route=late");
    scene.browser.click("#release");
    scene.browser.until("document.querySelector('dialog').innerText.includes('stays refused')");
    scene.browser.click("#dialog-go");
    scene.browser.until("document.querySelector('#toast').innerText.startsWith('Not forwarded: The signature does not match')");
    assert!(scene.upstream.requests().is_empty());
    scene.mend();
    let id = scene.newest("reason=signature_mismatch&until=0s");
    scene.open_newest("route=late");
    assert!(!id.is_empty());
    scene.clean();
}

#[test]
fn one_delivery_is_released_where_it_is_opened() {
    let mut scene = Scene::new();
    scene.gateway.send(&plain("/late", event("evt-1", "order.paid")));
    scene.held(1);
    scene.mend();
    scene.open_newest("route=late");
    scene.browser.until("document.querySelector('main').innerText.includes('would verify')");
    scene.browser.click("#release");
    scene.browser.click("#dialog-go");
    assert_eq!(scene.upstream.finished(1).len(), 1);
    scene.browser.until("document.querySelector('main').innerText.includes('Since then')");
    assert_eq!(scene.browser.eval("document.querySelector('#release')"), serde_json::Value::Null);
    scene.clean();
}
