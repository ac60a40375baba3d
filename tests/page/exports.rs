//! What is taken away from the page works: the curl command, the fixture, the file.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::scene::{Scene, WRONG, event};
use crate::support::eventually;
use crate::support::sender::{SECRET, plain};

/// The text that "Copy as curl" put on the clipboard.
fn copied(scene: &mut Scene) -> String {
    scene.browser.eval("navigator.clipboard.writeText('')");
    scene.browser.click("#curl");
    scene.browser.until("document.querySelector('#toast').innerText.startsWith('Copied')");
    scene.browser.text("navigator.clipboard.readText()")
}

#[test]
fn the_copied_command_sends_the_same_delivery() {
    let mut scene = Scene::new();
    let home = scene.home();
    let rights = json!({ "origin": home, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    scene.browser.call("Browser.grantPermissions", rights);
    let bodies: [Vec<u8>; 4] = [
        event("evt-1", "order.paid").into_bytes(),
        b"{\"text\":\"it's $(touch /nowhere) `id` \\u0041 \\\\ %41 \xc3\xa9\",\n \"x\":1}".to_vec(),
        vec![0, 1, 2, 0xff, b'\n', b'\''],
        b"@/etc/hostname\r\n\xe2\x80\xae".to_vec(),
    ];
    for body in bodies {
        let before = scene.upstream.requests().len();
        let request = plain("/raw?a='b'&c=[1]", body.clone())
            .header("X-Quote", "it's \"here\" $HOME `id` \\n")
            .header("X-Empty", "");
        assert_eq!(scene.gateway.send(&request).status, 200);
        scene.upstream.finished(before + 1);
        scene.held(before + 1);
        scene.open_newest("route=raw");
        let command = copied(&mut scene);
        let ran = Command::new("bash")
            .args(["-c", &command])
            .env("GATEWAY", format!("http://{}", scene.gateway.address))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{command}\n{}", String::from_utf8_lossy(&ran.stderr));
        let requests = scene.upstream.finished(before + 2);
        let (first, again) = (&requests[before], &requests[before + 1]);
        assert_eq!(again.body, body, "{command}");
        assert_eq!(again.target(), first.target(), "{command}");
        for name in ["x-quote", "x-empty", "x-webhook-signature", "user-agent", "accept", "content-type"] {
            assert_eq!(again.all(name), first.all(name), "{name}: {command}");
        }
        // Both are in the journal; the next round begins from there.
        scene.held(before + 2);
    }
    scene.clean();
}

#[test]
fn a_saved_fixture_runs_as_a_vector() {
    let mut scene = Scene::new();
    let mut vectors = String::from("vectors:\n");
    for (route, body, secret) in [
        ("raw", event("evt-1", "order.paid"), SECRET),
        // What is no plain text is saved as base64.
        ("raw", format!("{}\r\n", event("evt-3", "bidi \u{202e}")), SECRET),
        ("late", event("evt-2", "order: 'paid' # \u{85}\u{2028}"), WRONG),
    ] {
        let held = scene.gateway.json("/api/deliveries?limit=1")["total_held"].as_u64().unwrap();
        scene.gateway.send(&plain(&format!("/{route}"), body));
        scene.held(usize::try_from(held).unwrap() + 1);
        let id = scene.open_newest(&format!("route={route}"));
        scene.browser.click("#fixture");
        let file = scene.browser.downloads().join(format!("{id}.vectors.yaml"));
        let saved = eventually("the fixture is saved", || {
            std::fs::read_to_string(&file).ok().filter(|text| !text.is_empty())
        });
        let (_, vector) = saved.split_once("\nvectors:\n").unwrap();
        vectors.push_str(&vector.replace("THE ROUTE'S SECRET", secret));
    }
    let folder = tempfile::tempdir().unwrap();
    let provider = include_str!("../../src/catalog/providers/webhook-signature.yaml");
    std::fs::write(folder.path().join("sender.yaml"), provider).unwrap();
    std::fs::write(folder.path().join("sender.vectors.yaml"), &vectors).unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(["providers", "check"])
        .arg(folder.path().join("sender.yaml"))
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert!(check.status.success() && said.contains("1 senders, 3 vectors"), "{said}\n{vectors}");
    scene.clean();
}
