//! Two in the morning: a wrong secret is found on the page, mended, and what was refused is released.

use crate::scene::{Scene, event, forged};
use crate::support::sender::plain;
use crate::support::upstream::status;

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
fn a_release_from_a_narrower_list_says_that_it_takes_more() {
    let mut scene = Scene::new();
    for number in 0..3 {
        scene.gateway.send(&plain("/late", event(&format!("evt-{number}"), "order.paid")));
    }
    scene.held(3);
    for (address, words) in [
        ("#/?route=late&reason=signature_mismatch", "3 deliveries of late"),
        ("#/?route=late&reason=signature_mismatch&event_id=evt-1", "those that the list does not show now"),
    ] {
        scene.open(address);
        scene.browser.click("#bulk");
        scene.browser.until("document.querySelector('dialog[open]')");
        let said = scene.browser.seen("dialog[open]");
        assert!(said.contains(words), "{said}");
        assert_eq!(said.contains("All deliveries of late"), address.contains("event_id"), "{said}");
        scene.browser.eval("document.querySelector('dialog[open]').close()");
    }
    scene.clean();
}

#[test]
fn a_release_goes_on_past_what_is_declined_until_nothing_is_left() {
    const FORGED: usize = 1010;
    let mut scene = Scene::new();
    let mut client = scene.gateway.connect();
    let good: Vec<String> = (0..3).map(|number| event(&format!("good-{number}"), "order.paid")).collect();
    // Many come within a millisecond, and none of the first thousand will ever verify.
    let all = (0..FORGED).map(|number| forged("/late", event(&format!("evt-{number}"), "order.paid")));
    for request in all.chain(good.iter().map(|body| plain("/late", body.clone()))) {
        client.send(&request.bytes());
        assert_eq!(client.answer_to("POST").unwrap().status, 401);
    }
    scene.held(FORGED + 3);
    scene.mend();
    scene.open("#/routes");
    // What the dialog of the progress has said.
    scene.browser.eval(
        "(() => { window.told = []; new MutationObserver(() => {
          const words = document.querySelector('dialog.progress[open] p')?.textContent;
          if (words && told.at(-1) !== words) told.push(words);
        }).observe(document.body, { subtree: true, childList: true, characterData: true }); })()",
    );
    scene.browser.until("[...document.querySelectorAll('button')].some((button) => button.innerText.startsWith('Release refused'))");
    scene.browser.eval("[...document.querySelectorAll('button')].find((button) => button.innerText.startsWith('Release refused')).click()");
    scene.browser.click("#dialog-go");
    scene
        .browser
        .until("document.querySelector('dialog[open] h2')?.innerText === '3 of 1,013 deliveries accepted'");
    let said = scene.browser.seen("dialog");
    let declined = "1,010 × signature_mismatch (The signature does not match); the first:";
    assert!(said.contains(declined), "{said}");
    assert!(!said.contains("not tried"), "{said}");
    let told = scene.browser.text("told.join('\\n')");
    assert!(told.starts_with("250 tried, 0 accepted, 763 to go"), "{told}");
    assert!(told.ends_with("1,000 tried, 0 accepted, 13 to go"), "{told}");
    let arrived: Vec<String> = scene.upstream.finished(3).iter().map(|request| request.text()).collect();
    assert_eq!(arrived, good);
    // Each was tried once.
    scene.held(2 * (FORGED + 3));
    scene.clean();
}

#[test]
fn a_release_that_stops_says_at_what_and_how_many_are_left() {
    let mut scene = Scene::new();
    for number in 0..3 {
        scene.gateway.send(&plain("/late", event(&format!("evt-{number}"), "order.paid")));
    }
    scene.held(3);
    scene.mend();
    scene.upstream.next(status(200, "ok")).next(status(503, "later"));
    scene.open("#/routes");
    scene.browser.until("[...document.querySelectorAll('button')].some((button) => button.innerText.startsWith('Release refused'))");
    scene.browser.eval("[...document.querySelectorAll('button')].find((button) => button.innerText.startsWith('Release refused')).click()");
    scene.browser.click("#dialog-go");
    scene
        .browser
        .until("document.querySelector('dialog[open] h2')?.innerText === '1 of 2 deliveries accepted'");
    let said = scene.browser.seen("dialog");
    for word in [
        "1 × the upstream answered 503",
        "It stopped there: what comes later would overtake",
        "1 delivery of late was not tried",
    ] {
        assert!(said.contains(word), "{word} in {said}");
    }
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
