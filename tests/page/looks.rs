//! Each view at both widths and in both schemes: nothing sticks out, nothing is inaccessible, no console error.
//!
//! With `SEALPOST_SCREENSHOTS=FOLDER` it leaves its pictures there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scene::{Scene, event};
use crate::support::sender::plain;

/// axe-core at the version and digest of `package-lock.json`, installed once beside the build.
fn axe() -> String {
    let lock = include_str!("package-lock.json");
    let mark = lock
        .split("\"integrity\": \"sha512-")
        .nth(1)
        .and_then(|rest| rest.get(..12))
        .unwrap()
        .replace(['/', '+'], "_");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-{mark}"));
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.exists() {
        let fresh = tempfile::Builder::new().prefix("axe-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(fresh.path().join("package.json"), include_str!("package.json")).unwrap();
        std::fs::write(fresh.path().join("package-lock.json"), lock).unwrap();
        let installed = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(fresh.path())
            .output()
            .expect("npm is needed for axe-core (Debian: apt-get install npm)");
        assert!(installed.status.success(), "npm ci: {}", String::from_utf8_lossy(&installed.stderr));
        // Another test may have been faster; then its copy stays.
        let _ = std::fs::rename(fresh.path(), &folder);
    }
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn every_view_fits_its_window_and_can_be_used_by_everybody() {
    let mut scene = Scene::new();
    scene.one_of_each();
    for number in 0..4 {
        scene.gateway.send(&plain(
            "/late",
            event(&format!("evt-{number}"), "invoice.payment_failed.with_a_rather_long_name"),
        ));
    }
    scene.gateway.send(
        &plain("/hook", event(&"x".repeat(300), &"long".repeat(80)))
            .header(&"X-Long".repeat(20), "y".repeat(2_000)),
    );
    scene.held(11);
    let (refused, long) = (scene.newest("route=late"), scene.newest("route=hook"));
    let axe = axe();
    let pictures = std::env::var_os("SEALPOST_SCREENSHOTS").map(PathBuf::from);
    for (width, height) in [(1280, 800), (390, 844)] {
        for scheme in ["light", "dark"] {
            scene.browser.window(width, height);
            scene.browser.scheme(scheme);
            for (name, place, there) in [
                (
                    "list",
                    String::new(),
                    "document.querySelectorAll('tbody tr').length === 11 && document.querySelector('.alert') && document.querySelector('.overview svg')",
                ),
                (
                    "delivery",
                    format!("#/deliveries/{refused}"),
                    "document.querySelector('#explanation')?.childElementCount",
                ),
                ("long", format!("#/deliveries/{long}"), "document.querySelector('.timeline')"),
                ("routes", "#/routes".into(), "document.querySelector('.reasons')"),
                ("gateway", "#/gateway".into(), "document.querySelector('main').innerText.includes('Hash')"),
            ] {
                let what = format!("{name} at {width} in {scheme}");
                scene.open(&place);
                scene.browser.until(there);
                let wide = scene.browser.eval("document.documentElement.scrollWidth");
                assert!(wide.as_u64().unwrap() <= u64::from(width), "{what} is {wide} wide");
                accessible(&mut scene, &axe, &what);
                if let Some(folder) = &pictures {
                    scene.browser.eval("document.activeElement.blur(), scrollTo(0, 0)");
                    scene.browser.photograph(&folder.join(format!("{name}-{width}-{scheme}.png")));
                }
                if name == "delivery" && width > 600 {
                    scene.browser.click("#release");
                    scene.browser.until("document.querySelector('dialog[open]')");
                    accessible(&mut scene, &axe, &format!("the question of {what}"));
                    scene.browser.press("Escape");
                }
            }
        }
    }
    scene.clean();
}

/// No finding of axe-core, of whatever weight.
fn accessible(scene: &mut Scene, axe: &str, what: &str) {
    scene.browser.eval(&format!("{axe}; null"));
    let found = scene.browser.text(
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, impact, help, nodes }) =>
          `${impact} ${id}: ${help}: ${nodes.map(({ html, failureSummary }) => html + failureSummary).join('; ')}`).join('\\n'))",
    );
    assert!(found.is_empty(), "{what}:\n{found}");
}

#[test]
fn the_colours_can_be_chosen_and_are_remembered() {
    let mut scene = Scene::new();
    scene.open_list(0);
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = scene.browser.text(ground);
    scene.browser.click("#theme");
    scene.browser.click("#theme");
    let dark = scene.browser.text(ground);
    assert_ne!(light, dark);
    scene.open("");
    assert_eq!(scene.browser.text(ground), dark, "after loading it again");
    scene.browser.click("#theme");
    assert_eq!(scene.browser.text(ground), light, "as the system has it");
    scene.browser.scheme("dark");
    assert_eq!(scene.browser.text(ground), dark);
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page/theme.js").exists());
    scene.clean();
}

#[test]
fn routes_and_gateway_tell_their_state() {
    let mut scene = Scene::new();
    scene.one_of_each();
    scene.open("#/routes");
    scene.browser.until("document.querySelectorAll('.route').length === 5");
    let routes = scene.browser.seen("main");
    for word in [
        "hook",
        "webhook-signature",
        scene.upstream.url(),
        "signature_mismatch",
        "p50",
        "p99",
        "Whole request",
        "Secrets",
        "just now",
        "never",
        "No route",
    ] {
        assert!(routes.contains(word), "{word} in {routes}");
    }
    let chart = scene.browser.text("document.querySelector('.route .chart').getAttribute('aria-label')");
    assert!(chart.contains("1 accepted") && chart.contains("1 refused"), "{chart}");

    scene.open("#/gateway");
    scene.browser.until("document.querySelector('main').innerText.includes('Hash')");
    let gateway = scene.browser.seen("main");
    for word in [scene.gateway.hash().as_str(), "Ready", "reachable", "in memory", "6 deliveries"] {
        assert!(gateway.contains(word), "{word} in {gateway}");
    }
    // A file that cannot be used is told, and the one before stays.
    let yaml = scene.gateway.yaml.clone();
    std::fs::write(&scene.gateway.file, yaml.replace("routes:", "rowts:")).unwrap();
    scene.browser.click("#reload");
    scene.browser.until("document.querySelector('.alert.bad')?.innerText.includes('rowts')");
    std::fs::write(&scene.gateway.file, yaml).unwrap();
    scene.browser.click("#reload");
    scene.browser.until("!document.querySelector('.alert.bad')");
}
