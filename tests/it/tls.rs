//! TLS towards the sender: HTTP/1.1 and HTTP/2 by ALPN, and certificates that change in place.

use http::Request;

use crate::support::certificate::Certificate;
use crate::support::client::Client;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::plain;
use crate::support::upstream::Upstream;
use crate::support::{eventually, http2};

fn gateway(certificate: &Certificate, upstream: &Upstream) -> Gateway {
    gateway_with(Setup::new(), certificate, upstream)
}

fn gateway_with(setup: Setup, certificate: &Certificate, upstream: &Upstream) -> Gateway {
    setup.file("cert.pem", &certificate.pem);
    setup.file("key.pem", &certificate.key_pem);
    let folder = setup.folder().display().to_string();
    setup
        .listen(format!(
            "{{ address: \"127.0.0.1:0\", tls: {{ certificate: \"{folder}/cert.pem\", key: \"{folder}/key.pem\" }} }}"
        ))
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off"]))
        .start()
}

#[test]
fn deliveries_over_tls_are_served() {
    let (certificate, upstream) = (Certificate::new("first"), Upstream::start());
    let gateway = gateway(&certificate, &upstream);
    let mut client = Client::over(Box::new(certificate.connect(gateway.address).unwrap()));
    for body in ["one", "two"] {
        assert_eq!(client.exchange(&plain("/r", body)).status, 200);
        assert_eq!(upstream.last().text(), body);
    }
    assert_eq!(upstream.last().all("x-forwarded-proto"), ["https"]);
    assert_eq!(client.exchange(&plain("/r", "{}").body("{ }")).status, 401);
}

#[test]
fn a_handshake_that_never_comes_counts_and_ends() {
    let (certificate, upstream) = (Certificate::new("first"), Upstream::start());
    let setup = Setup::new().top("limits: { connections: 2, header_timeout: 1s }");
    let gateway = gateway_with(setup, &certificate, &upstream);
    let mut silent = [gateway.connect(), gateway.connect()];
    gateway.counts("sealpost_connections", &[], 2.0);
    assert!(gateway.connect().is_closed(), "there is no place for a third one");
    assert!(silent.iter_mut().all(Client::is_closed), "those that say nothing are cut");
    let mut client = Client::over(Box::new(certificate.connect(gateway.address).unwrap()));
    assert_eq!(client.exchange(&plain("/r", "a place again")).status, 200);
}

#[test]
fn http_2_is_offered_inside_tls() {
    let (certificate, upstream) = (Certificate::new("first"), Upstream::start());
    let gateway = gateway(&certificate, &upstream);
    http2::run(async {
        let mut client = http2::Client::tls(gateway.address, &certificate).await;
        let delivery = plain("/r", "over two");
        let mut request = Request::builder().method("POST").uri("https://hooks.example.com/r");
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let answer = client.exchange(request.body(()).unwrap(), &delivery.body).await.unwrap();
        assert_eq!(answer.status, 200);
    });
    assert_eq!(upstream.last().text(), "over two");
    assert_eq!(upstream.last().all("x-forwarded-proto"), ["https"]);
}

#[test]
fn a_new_certificate_is_used_without_a_restart_and_connections_go_on() {
    let (first, second, upstream) =
        (Certificate::new("first"), Certificate::new("second"), Upstream::start());
    let gateway = gateway(&first, &upstream);
    let mut open = Client::over(Box::new(first.connect(gateway.address).unwrap()));
    assert_eq!(open.exchange(&plain("/r", "before")).status, 200);

    // Key and certificate are two files: there is a moment in which they do not belong together.
    let write =
        |name: &str, content: &str| std::fs::write(gateway.folder.path().join(name), content).unwrap();
    write("key.pem", &second.key_pem);
    write("cert.pem", &second.pem);
    let stream = eventually("the new certificate is served", || second.connect(gateway.address).ok());
    assert_eq!(Client::over(Box::new(stream)).exchange(&plain("/r", "after")).status, 200);
    assert!(first.connect(gateway.address).is_err(), "the old one is not served any more");
    assert_eq!(open.exchange(&plain("/r", "still")).status, 200, "the open connection goes on");
}

#[test]
fn a_broken_certificate_changes_nothing() {
    let (certificate, upstream) = (Certificate::new("first"), Upstream::start());
    let gateway = gateway(&certificate, &upstream);
    std::fs::write(gateway.folder.path().join("cert.pem"), "not a certificate").unwrap();
    eventually("the failure is told", || {
        (gateway.metric("sealpost_reloads_total", &["result=\"error\""]) > 0.0).then_some(())
    });
    let mut client = Client::over(Box::new(certificate.connect(gateway.address).unwrap()));
    assert_eq!(client.exchange(&plain("/r", "on")).status, 200);
}

#[test]
fn cleartext_at_a_tls_address_gets_nowhere() {
    let (certificate, upstream) = (Certificate::new("first"), Upstream::start());
    let gateway = gateway(&certificate, &upstream);
    let mut client = gateway.connect();
    client.send(&plain("/r", "clear").bytes()).finish();
    client.rest();
    assert_eq!(upstream.connections(), 0);
    let mut client = Client::over(Box::new(certificate.connect(gateway.address).unwrap()));
    assert_eq!(client.exchange(&plain("/r", "sealed")).status, 200);
}
