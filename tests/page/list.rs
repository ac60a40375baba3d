//! The list: there, live, filtered, paged back, paused, and all of it by the keyboard.

use crate::scene::{Scene, event, forged};
use crate::support::sender::plain;

#[test]
fn the_list_shows_what_was_decided_and_what_comes() {
    let mut scene = Scene::new();
    scene.one_of_each();
    scene.open_list(6);
    let rows = scene.browser.seen("tbody");
    for word in [
        "forwarded",
        "duplicate",
        "signature_mismatch",
        "timestamp_too_old",
        "upstream_failed",
        "no_route",
        "evt-1",
        "order.paid",
        "/.env",
    ] {
        assert!(rows.contains(word), "{word} in {rows}");
    }
    scene.gateway.send(&plain("/hook", event("evt-live", "order.shipped")));
    scene.rows(7);
    assert!(scene.browser.seen("tbody tr:first-child").contains("evt-live"));
    scene.browser.until("document.querySelector('#announce').textContent.includes('new deliver')");
    scene.clean();
}

#[test]
fn filters_narrow_the_list_and_stand_in_the_address() {
    let mut scene = Scene::new();
    scene.one_of_each();
    scene.open_list(6);
    for (field, value, rows) in [
        ("filter-route", "hook", 3),
        ("filter-route", "-", 1),
        ("filter-outcome", "refused", 3),
        ("filter-reason", "timestamp_too_old", 1),
        ("filter-type", "order.*", 4),
        ("filter-event", "evt-1", 2),
        ("filter", "ENV", 1),
    ] {
        scene.browser.eval(&format!(
            "(() => {{ const f = document.getElementById('{field}'); f.value = '{value}'; f.dispatchEvent(new Event('change')); }})()"
        ));
        scene.rows(rows);
        assert!(scene.browser.text("location.hash").starts_with("#/?"), "{field}");
        let address = scene.browser.text("location.hash");
        scene.open(&address);
        scene.rows(rows);
        scene.browser.click("#clear");
        scene.rows(6);
    }
    // What comes is filtered as well.
    scene.open("#/?reason=signature_mismatch");
    scene.rows(1);
    scene.browser.until("document.querySelector('#pause.live')");
    scene.gateway.send(&plain("/hook", event("evt-8", "order.paid")));
    scene.gateway.send(&forged("/hook", event("evt-9", "order.paid")));
    scene.rows(2);
    assert!(scene.browser.seen("tbody tr:first-child").contains("signature_mismatch"));
    scene.clean();
}

#[test]
fn older_ones_are_paged_back_to_and_a_pause_holds_new_ones_back() {
    let mut scene = Scene::new();
    for number in 0..120 {
        scene.gateway.send(&plain("/hook", event(&format!("evt-{number}"), "order.paid")));
    }
    scene.held(120);
    scene.open_list(50);
    scene.browser.click("#older-page");
    scene.rows(100);
    scene.browser.click("#older-page");
    scene.rows(120);
    assert!(scene.browser.seen("tbody tr:last-child").contains("evt-0"));
    assert_eq!(scene.browser.eval("document.querySelector('#older-page').checkVisibility()"), false);

    scene.browser.eval("scrollTo(0, 0)");
    scene.browser.click("#pause");
    scene.gateway.send(&plain("/hook", event("evt-late", "order.paid")));
    scene.browser.until("document.querySelector('#fresh').innerText === '1 new'");
    scene.rows(120);
    scene.browser.click("#pause");
    scene.rows(121);
    assert!(scene.browser.seen("tbody tr:first-child").contains("evt-late"));
    scene.clean();
}

#[test]
fn everything_goes_by_the_keyboard() {
    let mut scene = Scene::new();
    scene.one_of_each();
    scene.open_list(6);
    let focused = "document.activeElement.closest('tr')?.rowIndex ?? 0";
    for (key, row) in [("j", 1), ("j", 2), ("ArrowDown", 3), ("k", 2), ("ArrowUp", 1), ("j", 2)] {
        scene.browser.press(key);
        assert_eq!(scene.browser.eval(focused), row, "after {key}");
    }
    let chosen = scene.browser.text("document.activeElement.closest('tr').dataset.id");
    scene.browser.press("Enter");
    scene.browser.until("document.querySelector('.timeline')");
    assert_eq!(scene.browser.text("location.hash"), format!("#/deliveries/{chosen}"));
    assert_eq!(scene.browser.text("document.activeElement.tagName"), "H1", "the focus goes with the view");
    scene.browser.press("j");
    scene
        .browser
        .until(&format!("location.hash !== '#/deliveries/{chosen}' && document.querySelector('.timeline')"));
    scene.browser.press("Escape");
    scene.rows(6);
    scene.browser.until("document.activeElement.closest('tr')");
    scene.browser.press("/");
    scene.browser.until("document.activeElement.id === 'filter'");
    scene.browser.write("evt-4");
    scene.rows(1);
    scene.browser.press("Escape");
    scene.browser.press("p");
    scene.browser.until("document.querySelector('#pause').innerText === 'Paused'");
    scene.browser.press("g");
    scene.browser.press("r");
    scene.browser.until("document.querySelector('.route')");
    scene.browser.press("?");
    scene.browser.until("document.querySelector('dialog[open]')");
    scene.browser.press("Escape");
    scene.browser.until("!document.querySelector('dialog')");
    // From the top by Tab alone: the link over the head comes first and leads to the content.
    scene.open("");
    scene.rows(6);
    scene.browser.press("Tab");
    assert_eq!(scene.browser.text("document.activeElement.id"), "skip");
    scene.browser.press("Enter");
    assert_eq!(scene.browser.text("document.activeElement.id"), "main");
    scene.clean();
}
