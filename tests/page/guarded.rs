//! The token, and what the page may do at all.

use crate::scene::Scene;
use crate::support::client::Request;
use crate::support::sender::plain;
use crate::support::upstream;

const TOKEN: &str = "token-of-the-operator";

#[test]
fn the_token_is_asked_for_once_and_kept_in_the_tab_only() {
    let mut scene = Scene::with(|setup| {
        setup
            .variable("ADMIN_TOKEN", TOKEN)
            .admin("admin: { address: \"127.0.0.1:0\", token: \"env:ADMIN_TOKEN\" }")
    });
    scene.gateway.send(&plain("/hook", "{\"id\":\"evt-1\"}"));
    scene.open("");
    scene.browser.until("document.querySelector('dialog[open] #token')");
    assert_eq!(scene.browser.eval("document.querySelectorAll('dialog').length"), 1);
    assert!(!scene.browser.text("document.body.innerText").contains("evt-1"));
    scene.browser.press("Escape");
    scene.browser.write("wrong");
    scene.browser.press("Enter");
    scene.browser.until("document.querySelector('dialog .error')");
    scene.browser.write(TOKEN);
    scene.browser.press("Enter");
    scene.rows(1);
    scene.browser.until("document.querySelector('#pause.live')");
    // The stream carries it as well.
    scene.gateway.send(&plain("/hook", "{\"id\":\"evt-2\"}"));
    scene.rows(2);
    assert_eq!(scene.browser.eval("localStorage.length + document.cookie.length"), 0);
    assert!(!scene.browser.text("location.href").contains(TOKEN));
    // Loading the page again does not ask again; another tab's storage is its own.
    scene.open("");
    scene.rows(2);
    assert_eq!(scene.browser.eval("document.querySelector('dialog')"), serde_json::Value::Null);
    let home = scene.home();
    let wrong = scene.browser.wrong(&home);
    assert!(wrong.iter().all(|wrong| wrong.contains("401")), "only the refusals without it: {wrong:#?}");
    assert!(!scene.gateway.log.text().contains(TOKEN));
}

#[test]
fn the_page_is_served_without_the_token_and_only_to_its_own_names() {
    let scene = Scene::with(|setup| {
        setup
            .variable("ADMIN_TOKEN", TOKEN)
            .admin("admin: { address: \"127.0.0.1:0\", token: \"env:ADMIN_TOKEN\" }")
    });
    for path in ["/", "/page/page.js", "/page/page.css"] {
        let answer = scene.gateway.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let tag = answer.header("etag").unwrap().to_owned();
        let again = scene.gateway.ask(&Request::new("GET", path).header("If-None-Match", tag));
        assert_eq!(
            (again.status, again.body.len(), again.header("content-length")),
            (304, 0, None),
            "{path}"
        );
        assert_eq!(scene.gateway.ask(&Request::new("POST", path)).status, 405, "{path}");
    }
    assert_eq!(scene.gateway.get("/page/none.js").status, 401, "what is not there is not told");
    drop(scene);
    let scene = Scene::new();
    let other = Request::new("GET", "/").header("Host", "attacker.example");
    assert_eq!(scene.gateway.ask(&other).status, 403, "a name that somebody else's DNS points here");
    assert_eq!(scene.gateway.get("/page/none.js").status, 404);
}

#[test]
fn nothing_that_is_not_the_pages_own_runs_on_it() {
    let mut scene = Scene::new();
    scene.open_list(0);
    scene.browser.eval(
        "(() => { window.ran = [];
          const script = document.createElement('script'); script.textContent = 'ran.push(1)'; document.head.append(script);
          const image = document.createElement('img'); image.setAttribute('onerror', 'ran.push(2)'); image.src = 'data:x'; document.body.append(image);
          const link = document.createElement('a'); link.href = 'javascript:ran.push(3)'; document.body.append(link); link.click();
          try { setTimeout('ran.push(4)'); } catch {}
          fetch('http://127.0.0.1:9/').catch(() => {}); })()",
    );
    // A task after all of them.
    scene.browser.eval("new Promise((done) => setTimeout(done, 200))");
    assert_eq!(scene.browser.eval("ran.length"), 0);
    let home = scene.home();
    let wrong = scene.browser.wrong(&home);
    assert!(
        wrong.iter().filter(|wrong| wrong.contains("Content Security Policy")).count() >= 4,
        "the policy says so: {wrong:#?}"
    );
}

#[test]
fn a_strangers_page_holds_no_stream() {
    let mut scene = Scene::new();
    let home = scene.home();
    // Another port of the same host: as near as a stranger's page can come.
    let document = format!(
        "<!doctype html><link rel=icon href=data:,><script>
          const stream = '{home}/api/deliveries/stream';
          window.ended = 0;
          const source = new EventSource(stream);
          source.onerror = () => {{ if (source.readyState === EventSource.CLOSED) ended += 1; }};
          for (const number of [1, 2, 3, 4]) {{
            fetch(stream + '?q=' + number, {{ mode: 'no-cors' }}).then(() => {{ ended += 1; }});
          }}
        </script>"
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{document}",
        document.len()
    );
    scene.upstream.next(upstream::answer(answer));
    let stranger = scene.upstream.url().to_owned();
    scene.browser.open(&stranger);
    scene.browser.until("window.ended === 5");
    let wrong = scene.browser.wrong(&stranger);
    let refused = wrong.iter().filter(|wrong| wrong.contains("403") && wrong.contains("/stream?q=")).count();
    assert_eq!(refused, 4, "each one that hides whose it is: {wrong:#?}");
    // Its own page is followed as ever.
    scene.open_list(0);
}

#[test]
fn the_page_cannot_be_framed() {
    let mut scene = Scene::new();
    let home = scene.home();
    // Another port of the same host: as near as a stranger's page can come.
    let document = format!(
        "<!doctype html><link rel=icon href=data:,><iframe src='{home}/' onload='window.tried = true'></iframe>"
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{document}",
        document.len()
    );
    scene.upstream.next(upstream::answer(answer));
    let stranger = scene.upstream.url().to_owned();
    scene.browser.open(&stranger);
    scene.browser.until("window.tried");
    let wrong = scene.browser.wrong(&stranger);
    assert!(wrong.iter().any(|wrong| wrong.contains("frame-ancestors")), "{wrong:#?}");
    assert_eq!(scene.browser.asked(&format!("{home}/page/")), 0, "nothing of the page was loaded");
}
