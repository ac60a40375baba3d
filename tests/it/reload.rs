//! Reload: whatever way a file changes, it is in force within two seconds; an invalid file changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::support::client::{Client, Request};
use crate::support::gateway::{Gateway, RELOAD_WITHIN, Setup, route};
use crate::support::sender::{hmac_hex, plain};
use crate::support::upstream::{Upstream, gated};
use crate::support::{Gate, eventually};

/// How much later than promised a slow machine may be.
const SLACK: u32 = 3;

/// A gateway whose one route is `/one`.
fn gateway(upstream: &Upstream) -> Gateway {
    Setup::new().route(named(upstream, "one")).start()
}

fn named(upstream: &Upstream, name: &str) -> String {
    route(name, &format!("/{name}"), "webhook-signature", upstream.url(), &["dedupe: off"])
}

/// Its configuration with another route instead.
fn renamed(gateway: &Gateway, name: &str) -> String {
    gateway.yaml.replace("name: one", &format!("name: {name}")).replace("\"/one\"", &format!("\"/{name}\""))
}

/// Checks that `/name`, and not `/one`, is served soon after the change.
fn takes_effect(gateway: &Gateway, name: &str, change: impl FnOnce()) {
    let began = Instant::now();
    change();
    eventually("the new route is served", || {
        (gateway.send(&plain(&format!("/{name}"), "{}")).status == 200).then_some(())
    });
    assert!(began.elapsed() < RELOAD_WITHIN * SLACK, "after {:?}", began.elapsed());
    assert_eq!(gateway.send(&plain("/one", "{}")).status, 404);
}

#[test]
fn a_file_written_in_place() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    takes_effect(&gateway, "two", || fs::write(&gateway.file, renamed(&gateway, "two")).unwrap());
}

#[test]
fn a_file_renamed_over() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let next = gateway.folder.path().join(".gateway.yaml.swp");
    for name in ["two", "three"] {
        takes_effect(&gateway, name, || {
            fs::write(&next, renamed(&gateway, name)).unwrap();
            fs::rename(&next, &gateway.file).unwrap();
        });
    }
}

#[test]
fn a_file_removed_and_created_again() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for name in ["two", "three"] {
        takes_effect(&gateway, name, || {
            fs::remove_file(&gateway.file).unwrap();
            fs::write(&gateway.file, renamed(&gateway, name)).unwrap();
        });
    }
}

#[test]
fn a_folder_swapped_by_symlink_as_kubernetes_does() {
    let upstream = Upstream::start();
    let setup = Setup::new().route(named(&upstream, "one"));
    let volume = setup.folder().join("volume");
    let version = |number: u32, yaml: &str| {
        let folder = volume.join(format!("..{number}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("gateway.yaml"), yaml).unwrap();
        folder
    };
    let swap = |folder: &Path| {
        let fresh = volume.join("..data_tmp");
        symlink(folder.file_name().unwrap(), &fresh).unwrap();
        fs::rename(&fresh, volume.join("..data")).unwrap();
    };
    let first = version(1, &setup.yaml());
    swap(&first);
    let file = volume.join("gateway.yaml");
    symlink("..data/gateway.yaml", &file).unwrap();
    let gateway = setup.start_with(&file);
    for (number, name) in [(2, "two"), (3, "three")] {
        let next = version(number, &renamed(&gateway, name));
        takes_effect(&gateway, name, || swap(&next));
    }
    // The old folder goes only after the swap.
    fs::remove_dir_all(first).unwrap();
    assert_eq!(gateway.send(&plain("/three", "{}")).status, 200);
}

#[test]
fn a_signal_and_a_post_reload_at_once() {
    let upstream = Upstream::start();
    let setup = Setup::new();
    let secret = setup.file("secret", "first-secret-of-the-file");
    let secrets = format!("secrets: [\"file:{}\"]", secret.display());
    let gateway = setup
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off", &secrets]))
        .start();
    let before = gateway.metric("sealpost_reloads_total", &[]);
    gateway.signal("HUP");
    eventually("a reload is counted", || {
        (gateway.metric("sealpost_reloads_total", &[]) > before).then_some(())
    });
    let answer = gateway.ask(&Request::new("POST", "/api/reload"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(gateway.metric("sealpost_reloads_total", &[]) > before + 1.0);
    assert_eq!(gateway.get("/api/reload").status, 405, "it changes something, so it is no GET");
}

#[test]
fn an_invalid_file_changes_nothing_until_it_is_valid() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let before = gateway.hash();
    fs::write(&gateway.file, "routes: [ { name: broken, upstrem: x } ]").unwrap();
    let told = eventually("the error is told", || {
        let told = gateway.get("/api/config").text();
        (told.contains("upstrem") || told.contains("gateway.yaml:1:")).then_some(told)
    });
    assert!(told.contains(&before), "the old configuration is in force: {told}");
    assert_eq!(gateway.send(&plain("/one", "{}")).status, 200);
    eventually("the log has the place", || gateway.log.text().contains("gateway.yaml:1:").then_some(()));
    let answer = gateway.ask(&Request::new("POST", "/api/reload"));
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(gateway.get("/readyz").status, 200, "it still serves what it was configured with");
    takes_effect(&gateway, "two", || fs::write(&gateway.file, renamed(&gateway, "two")).unwrap());
    let told = gateway.get("/api/config").text();
    assert!(!told.contains("upstrem"), "{told}");
}

#[test]
fn a_missing_file_changes_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    fs::remove_file(&gateway.file).unwrap();
    let answer = gateway.ask(&Request::new("POST", "/api/reload"));
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(gateway.send(&plain("/one", "{}")).status, 200);
    takes_effect(&gateway, "two", || fs::write(&gateway.file, renamed(&gateway, "two")).unwrap());
}

#[test]
fn a_secret_rotates_under_load_without_a_failed_request() {
    let upstream = Upstream::start();
    let setup = Setup::new();
    let (old, new) = ("the-secret-of-last-year", "the-secret-of-this-year");
    let path = setup.file("secret", old);
    let secrets = format!("secrets: [\"env:TEST_SECRET\", \"file:{}\"]", path.display());
    let gateway = setup
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off", &secrets]))
        .start();
    let signed = |secret: &str| plain("/r", "{}").with("X-Webhook-Signature", hmac_hex(secret, b"{}"));
    assert_eq!(gateway.send(&signed(old)).status, 200);
    assert_eq!(gateway.send(&signed(new)).status, 401);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut count) = (gateway.connect(), 0);
                    while !done.load(Ordering::SeqCst) {
                        // The secret that does not change verifies throughout, on one connection.
                        let answer = client.exchange(&plain("/r", "{}"));
                        assert_eq!(answer.status, 200, "{answer:?}");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        gateway.reloads(|| fs::write(&path, format!("{new}\n")).unwrap());
        assert_eq!(gateway.send(&signed(new)).status, 200);
        assert_eq!(gateway.send(&signed(old)).status, 401);
        done.store(true, Ordering::SeqCst);
        assert!(load.into_iter().map(|one| one.join().unwrap()).sum::<u32>() > 0);
    });
}

#[test]
fn an_emptied_secret_file_changes_nothing() {
    let upstream = Upstream::start();
    let setup = Setup::new();
    let path = setup.file("secret", "the-secret-of-the-file");
    let secrets = format!("secrets: [\"file:{}\"]", path.display());
    let gateway = setup
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off", &secrets]))
        .start();
    let signed = |secret: &str| plain("/r", "{}").with("X-Webhook-Signature", hmac_hex(secret, b"{}"));
    for content in ["", "\n"] {
        fs::write(&path, content).unwrap();
        let answer = gateway.ask(&Request::new("POST", "/api/reload"));
        assert!(answer.status >= 400, "{answer:?}");
        assert_eq!(gateway.send(&signed("")).status, 401, "an empty secret verifies nothing");
        assert_eq!(gateway.send(&signed("the-secret-of-the-file")).status, 200);
    }
}

#[test]
fn what_cannot_change_in_place_is_said_to_need_a_restart() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let address = gateway.address;
    for (what, yaml) in [
        ("listen", gateway.yaml.replacen("127.0.0.1:0", "127.0.0.2:0", 1)),
        (
            "admin",
            gateway
                .yaml
                .replace("admin: { address: \"127.0.0.1:0\" }", "admin: { address: \"127.0.0.3:0\" }"),
        ),
        ("dedupe", gateway.yaml.replace("routes:", "dedupe: { entries: 5 }\nroutes:")),
    ] {
        assert_ne!(yaml, gateway.yaml);
        fs::write(&gateway.file, yaml).unwrap();
        gateway.ask(&Request::new("POST", "/api/reload"));
        eventually("the need of a restart is told", || {
            let told = format!("{}{}", gateway.log.text(), gateway.get("/api/config").text());
            told.lines().any(|line| line.contains("restart") && line.contains(what)).then_some(())
        });
        assert_eq!(Client::connect(address).exchange(&plain("/one", "{}")).status, 200, "{what}");
    }
}

#[test]
fn a_request_in_flight_finishes_with_what_it_started_with() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let gate = Gate::new();
    upstream.next(gated(&gate, 200, "old route"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| gateway.send(&plain("/one", "{}")));
        upstream.begun(1);
        takes_effect(&gateway, "two", || fs::write(&gateway.file, renamed(&gateway, "two")).unwrap());
        gate.open();
        assert_eq!(first.join().unwrap().text(), "old route");
    });
}
