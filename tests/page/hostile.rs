//! What strangers send is shown as text, in whatever field it comes.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;

use crate::scene::Scene;
use crate::support::client::Request;
use crate::support::sender::{SECRET, hmac_hex};

const PAYLOADS: [&str; 5] = [
    "<script>ran.push('script')</script>",
    "\"><img src=x onerror=\"ran.push('image')\">",
    "javascript:ran.push('address')",
    "'-ran.push('quote')-'`${ran.push('tick')}`",
    "<svg onload=ran.push('svg')><iframe srcdoc=\"<script>parent.ran.push('frame')</script>\">",
];

#[test]
fn a_payload_in_any_field_is_text_and_runs_nowhere() {
    let mut scene = Scene::with(|setup| setup.top("trusted_proxies: [127.0.0.1/32]"));
    scene.browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": "window.ran = []" }));
    for payload in PAYLOADS {
        let body =
            json!({ "id": format!("{payload}\u{202e}\u{0}"), "type": payload, "more": { payload: payload } })
                .to_string();
        let path = format!("/raw?{}", payload.replace([' ', '"', '<', '>', '`', '{', '}'], "+"));
        let request = Request::new("POST", &path)
            .header("X-Webhook-Signature", hmac_hex(SECRET, body.as_bytes()))
            .header("X-Payload", payload)
            .header("X-Forwarded-For", payload)
            .header("User-Agent", payload)
            .header("Content-Type", payload)
            .body(body.clone());
        assert_eq!(scene.gateway.send(&request).status, 200);
        // Refused ones say in their reason what was there.
        scene.gateway.send(&request.with("X-Webhook-Signature", payload));
        // The path as a stranger's own: no route.
        let target = format!("/{}", payload.replace([' ', '"', '<', '>', '`', '{', '}'], "'"));
        scene.gateway.send(&Request::new("GET", &target));
    }
    // A header line of bytes that are no text.
    let body = "{\"id\":\"bytes\"}";
    let mut raw = TcpStream::connect(scene.gateway.address).unwrap();
    raw.write_all(
        format!(
            "POST /raw HTTP/1.1\r\nHost: x\r\nX-Webhook-Signature: {}\r\nContent-Length: {}\r\nX-Bytes: ",
            hmac_hex(SECRET, body.as_bytes()),
            body.len()
        )
        .as_bytes(),
    )
    .unwrap();
    raw.write_all(b"\xff\xfe<b>\xe2\x80\xae\r\n\r\n").unwrap();
    raw.write_all(body.as_bytes()).unwrap();
    scene.held(PAYLOADS.len() * 3 + 1);

    scene.open_list(PAYLOADS.len() * 3 + 1);
    let rows = scene.browser.seen("tbody");
    for payload in PAYLOADS {
        assert!(rows.contains(payload), "{payload} is shown as it is: {rows}");
    }
    assert!(rows.contains("U+202E") && rows.contains("U+0000"), "what cannot be seen is named");
    assert!(!rows.contains('\u{202e}'), "and cannot turn its neighbours round");

    let list = scene.gateway.json("/api/deliveries?limit=100");
    for delivery in list["deliveries"].as_array().unwrap() {
        scene.open(&format!("#/deliveries/{}", delivery["id"].as_str().unwrap()));
        scene.browser.until("document.querySelector('.timeline')");
        assert_eq!(scene.browser.eval("document.querySelectorAll('main script, main iframe, main img, main [onload], main [onerror]').length"), 0);
        let addresses = scene
            .browser
            .eval("[...document.querySelectorAll('a')].map((a) => a.protocol).filter((p) => p !== 'http:')");
        assert_eq!(addresses, json!([]), "only our own addresses are links");
        assert_eq!(scene.browser.eval("ran.length"), 0);
    }
    // The address itself is a stranger's as well, if somebody sends a link.
    for link in [
        "#/deliveries/%3Cscript%3Eran.push(1)%3C%2Fscript%3E",
        "#/deliveries/%",
        "#/?route=%22%3E%3Cimg%20src%3Dx%20onerror%3Dran.push(1)%3E&q=%3Cb%3E",
        "#/javascript:ran.push(1)",
        "#/constructor",
        "#/?reason=__proto__",
    ] {
        scene.open(link);
        scene.browser.until("document.querySelector('main h1')");
        assert_eq!(
            scene.browser.eval("ran.length + document.querySelectorAll('main img, main script').length"),
            0,
            "{link}"
        );
    }
    let home = scene.home();
    let wrong = scene.browser.wrong(&home);
    let expected = |wrong: &String| wrong.contains("404") || wrong.contains("400");
    assert!(wrong.iter().all(expected), "nothing but addresses that name nothing: {wrong:#?}");
}
