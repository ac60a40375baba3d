//! The five senders that came first: their vectors through the running gateway, and the traps of their documents.

use crate::support::client::{Answer, Request};
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{hmac_hex, now, timed_signature};
use crate::support::upstream::Upstream;

/// A delivery as the sender's documents or a computation with them give it.
struct Seed {
    provider: &'static str,
    secret: &'static str,
    header: &'static str,
    value: &'static str,
    body: &'static str,
    length: usize,
}

const BELLWETHER: Seed = Seed {
    provider: "bellwether",
    secret: "whsec_abc123",
    header: "X-Bellwether-Signature",
    value: "sha256=35a0ab2dc360ecf5243d216b10ef62b194bac592d866790e8ce92e3dc51666ec",
    body: "{\"event\":\"baseline.uploaded\",\"timestamp\":\"2026-01-15T10:30:00.000Z\",\"project\":{\"id\":\"proj_abc123\",\"name\":\"my-mcp-server\"},\"data\":{\"version\":12,\"hash\":\"a1b2c3d4\",\"toolCount\":5,\"serverName\":\"my-server\",\"cliVersion\":\"0.6.0\"}}",
    length: 222,
};

/// Its time, 18 March 2026 10:30:00 UTC, is signed: the vector is good within that window only.
const BELLA: Seed = Seed {
    provider: "bella-baxter",
    secret: "whsec-abc123",
    header: "X-Bella-Signature",
    value: "t=1773829800,v1=802722e55953fd3a36d8afc3cdebef7b3c9a498ab936610e10e0cdd013b9f904",
    body: "{\"id\":\"evt-7e98d73e\",\"type\":\"SecretUpdated\",\"timestamp\":\"2026-03-18T10:30:00Z\",\"tenantId\":\"t1\",\"data\":{\"key\":\"DATABASE_URL\",\"metadata\":{}}}",
    length: 139,
};

const GENERIC: Seed = Seed {
    provider: "webhook-signature",
    secret: "whsec_abc123",
    header: "X-Webhook-Signature",
    value: "413021a81b5d7662ef73862f10d0970350f3b09e8a16e0e037069609208726ba",
    body: "{\"id\": \"evt_abc123\", \"type\": \"user.created\", \"created_at\": \"2026-01-15T12:30:00Z\", \"data\": {\"id\": \"user_123\", \"balance\": 1.0}}\n",
    length: 127,
};

const BBMCP: Seed = Seed {
    provider: "bb-mcp",
    secret: "your-webhook-secret",
    header: "X-BBMCP-Signature",
    value: "e2bf528a7802329b24cecd22c7f9026b736e6e6c767836715f25138e1298a780",
    body: "{\"event\":\"verification.completed\",\"timestamp\":\"2024-01-15T11:45:23Z\",\"data\":{\"verification_id\":\"ver_abcdef1234567890\",\"verified\":true}}",
    length: 135,
};

const NOTIFY: Seed = Seed {
    provider: "mcp-notify",
    secret: "your-secret-key",
    header: "X-Signature-256",
    value: "sha256=251d6fd8b4e8dd13d23f8da3415c865d0baaf2972af94a5c9ec31030d682ecfc",
    body: "{\"event\":\"change.detected\",\"timestamp\":\"2026-01-05T10:30:00Z\",\"subscription_id\":\"sub_abc123\",\"change\":{\"id\":\"chg_xyz789\",\"server_name\":\"a\\u0026b\",\"change_type\":\"new\"}}",
    length: 167,
};

const ALL: [&Seed; 5] = [&BELLWETHER, &BELLA, &GENERIC, &BBMCP, &NOTIFY];

impl Seed {
    /// The vector as a request.
    fn delivery(&self) -> Request {
        Request::new("POST", &format!("/{}", self.provider))
            .header("Content-Type", "application/json")
            .header(self.header, self.value)
            .body(self.body)
    }

    /// Another body, signed as this sender does.
    fn signed(&self, body: &str) -> Request {
        let mac = hmac_hex(self.secret, body.as_bytes());
        let value = match self.provider {
            "bella-baxter" => timed_signature(self.secret, body.as_bytes(), now()),
            "bellwether" | "mcp-notify" => format!("sha256={mac}"),
            _ => mac,
        };
        self.delivery().with(self.header, value).body(body)
    }
}

struct Scene {
    gateway: Gateway,
    upstream: Upstream,
}

/// A route for each seed with its own defaults, except that the vector with a signed time of the past passes.
fn scene() -> Scene {
    let upstream = Upstream::start();
    let mut setup = Setup::new();
    for (number, seed) in ALL.iter().enumerate() {
        let variable = format!("SEED_{number}");
        let secrets = format!("secrets: [\"env:{variable}\"]");
        let mut more = vec![secrets.as_str()];
        if seed.provider == BELLA.provider {
            more.push("tolerance: off");
        }
        setup = setup.variable(&variable, seed.secret).route(route(
            seed.provider,
            &format!("/{}", seed.provider),
            seed.provider,
            upstream.url(),
            &more,
        ));
    }
    Scene { gateway: setup.start(), upstream }
}

fn is_duplicate(answer: &Answer) -> bool {
    answer.header("sealpost-result") == Some("duplicate")
}

#[test]
fn the_vectors_are_accepted_and_arrive_as_sent() {
    let scene = scene();
    for seed in ALL {
        assert_eq!(seed.body.len(), seed.length, "{}", seed.provider);
        let answer = scene.gateway.send(&seed.delivery());
        assert_eq!(answer.status, 200, "{}: {answer:?}", seed.provider);
        let got = scene.upstream.last();
        assert_eq!(got.text(), seed.body);
        assert_eq!(got.all(seed.header), [seed.value], "the app can verify once more");
        assert_eq!(got.header("sealpost-provider"), Some(seed.provider));
        let again = scene.gateway.send(&seed.delivery());
        assert!(again.status == 200 && is_duplicate(&again), "{}", seed.provider);
    }
    assert_eq!(scene.upstream.requests().len(), ALL.len());
}

#[test]
fn altered_copies_are_refused() {
    let scene = scene();
    for seed in ALL {
        let value = seed.value;
        let good = seed.delivery();
        let mac = &value[value.len() - 64..];
        let stripped = seed.secret.trim_start_matches("whsec_");
        let mut cases = vec![
            ("one byte more", good.clone().body(format!("{} ", seed.body))),
            ("one byte less", good.clone().body(&seed.body[..seed.body.len() - 1])),
            ("one byte other", good.clone().body(seed.body.replacen('2', "3", 1))),
            ("no body", good.clone().body("")),
            ("no signature", good.clone().without(seed.header)),
            ("zz behind the hex", good.clone().with(seed.header, format!("{value}zz"))),
            ("a byte missing", good.clone().with(seed.header, &value[..value.len() - 2])),
            ("a wrong prefix", good.clone().with(seed.header, format!("sha1={mac}"))),
            ("twice in a list", good.clone().with(seed.header, format!("{value},{value},{value}x"))),
            ("repeated", good.clone().header(seed.header, value)),
            ("under another name", good.clone().without(seed.header).header("X-Signature", value)),
            ("zeros", good.clone().with(seed.header, value.replace(mac, &"0".repeat(64)))),
        ];
        if stripped != seed.secret {
            // The prefix belongs to the key: these senders do not decode as Standard Webhooks does.
            let other = hmac_hex(stripped, seed.body.as_bytes());
            cases.push((
                "the key without its prefix",
                good.clone().with(seed.header, value.replace(mac, &other)),
            ));
        }
        for (what, request) in cases {
            let answer = scene.gateway.send(&request);
            assert_eq!(answer.status, 401, "{}: {what}: {answer:?}", seed.provider);
        }
    }
    assert_eq!(scene.upstream.connections(), 0);
}

#[test]
fn re_serialised_json_does_not_verify() {
    let scene = scene();
    // What the Node samples of two of the documents compute.
    let wrong = [
        (&GENERIC, "b96fa63d892b05f3d791a9337c8671e94c6930cf5bba1c1adac59dc9e33c8818".to_owned()),
        (&NOTIFY, "sha256=a0918890995773e5ab9e3fe8323536b698e3cf7885e4b739a20623e1665999d1".to_owned()),
    ];
    for (seed, value) in wrong {
        assert_eq!(
            scene.gateway.send(&seed.delivery().with(seed.header, value)).status,
            401,
            "{}",
            seed.provider
        );
    }
}

#[test]
fn an_events_own_time_is_no_send_time() {
    let scene = scene();
    for (seed, body) in [
        (&BELLWETHER, "{\"event\":\"baseline.uploaded\",\"timestamp\":\"2001-01-01T00:00:00.000Z\"}"),
        (&GENERIC, "{\"id\":\"evt_old\",\"type\":\"user.created\",\"created_at\":\"2001-01-01T00:00:00Z\"}"),
        (
            &BBMCP,
            "{\"event\":\"context.created\",\"timestamp\":\"2001-01-01T00:00:00Z\",\"data\":{\"context_id\":\"ctx_1\"}}",
        ),
        (
            &NOTIFY,
            "{\"event\":\"change.detected\",\"timestamp\":\"2001-01-01T00:00:00Z\",\"subscription_id\":\"s\",\"change\":{\"id\":\"c\"}}",
        ),
        (&BELLA, "{\"id\":\"evt-old\",\"type\":\"SecretUpdated\",\"timestamp\":\"2001-01-01T00:00:00Z\"}"),
    ] {
        let answer = scene.gateway.send(&seed.signed(body));
        assert_eq!(answer.status, 200, "{}: a retry of hours ago is still good: {answer:?}", seed.provider);
    }
}

#[test]
fn bella_baxters_send_time_has_a_window() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .variable("BELLA", BELLA.secret)
        .route(route(
            "bella-baxter",
            "/bella-baxter",
            "bella-baxter",
            upstream.url(),
            &["secrets: [\"env:BELLA\"]"],
        ))
        .start();
    assert_eq!(gateway.send(&BELLA.delivery()).status, 401, "the vector is of long ago");
    gateway.reason("timestamp_too_old");
    let at = |offset: i64, id: &str| {
        let body = format!("{{\"id\":\"{id}\",\"type\":\"SecretUpdated\"}}");
        let value = timed_signature(BELLA.secret, body.as_bytes(), now() + offset);
        gateway.send(&BELLA.delivery().with(BELLA.header, value).body(body)).status
    };
    assert_eq!(at(0, "now"), 200);
    assert_eq!(at(-290, "old but good"), 200);
    assert_eq!(at(-310, "too old"), 401);
    assert_eq!(at(3600, "ahead"), 401);
    let sent: Vec<Option<String>> =
        upstream.requests().iter().map(|r| r.header("sealpost-timestamp").map(Into::into)).collect();
    assert!(sent.iter().all(Option::is_some), "{sent:?}");
}

#[test]
fn any_of_several_v1_signatures_may_match() {
    let scene = scene();
    let body = "{\"id\":\"evt-rotating\",\"type\":\"SecretUpdated\"}";
    let sent = now();
    let good = hmac_hex(BELLA.secret, format!("{sent}.{body}").as_bytes());
    let bad = "0".repeat(64);
    for (number, value) in [
        format!("t={sent},v1={bad},v1={good}"),
        format!("t={sent},v1={good},v1={bad}"),
        format!("v1={good},t={sent}"),
        format!("t={sent},v1={good},v0={bad}"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = scene.gateway.send(&BELLA.delivery().with(BELLA.header, value.clone()).body(body));
        assert_eq!((answer.status, is_duplicate(&answer)), (200, number > 0), "{value}");
    }
    for value in [
        format!("t={sent},t={},v1={good}", sent + 1),
        format!("t={sent},v1={bad},v1={bad}"),
        format!("t={sent},v2={good}"),
        format!("t={sent},{}", format!("v1={bad},").repeat(100)),
    ] {
        let answer = scene.gateway.send(&BELLA.delivery().with(BELLA.header, value.clone()).body(body));
        assert_eq!(answer.status, 401, "{value}");
    }
}

#[test]
fn two_verifications_in_one_second_both_arrive() {
    let scene = scene();
    let body = |id: &str| {
        format!(
            "{{\"event\":\"verification.completed\",\"timestamp\":\"2024-01-15T11:45:23Z\",\"data\":{{\"verification_id\":\"{id}\"}}}}"
        )
    };
    for id in ["ver_1", "ver_2"] {
        let answer = scene.gateway.send(&BBMCP.signed(&body(id)));
        assert!(answer.status == 200 && !is_duplicate(&answer), "{id}: {answer:?}");
    }
    assert!(is_duplicate(&scene.gateway.send(&BBMCP.signed(&body("ver_1")))));
    // The same context may fail twice: another time, another event.
    let failed = |time: &str| {
        format!(
            "{{\"event\":\"context.failed\",\"timestamp\":\"{time}\",\"data\":{{\"context_id\":\"ctx_1\",\"retry_possible\":true}}}}"
        )
    };
    for time in ["2024-01-15T11:45:23Z", "2024-01-15T11:50:00Z"] {
        let answer = scene.gateway.send(&BBMCP.signed(&failed(time)));
        assert!(answer.status == 200 && !is_duplicate(&answer), "{time}: {answer:?}");
    }
    assert_eq!(scene.upstream.requests().len(), 4);
}

#[test]
fn one_change_reaches_each_of_its_subscriptions() {
    let scene = scene();
    let body = |subscription: &str| {
        format!(
            "{{\"event\":\"change.detected\",\"subscription_id\":\"{subscription}\",\"change\":{{\"id\":\"chg_1\"}}}}"
        )
    };
    for subscription in ["sub_1", "sub_2"] {
        let answer = scene.gateway.send(&NOTIFY.signed(&body(subscription)));
        assert!(answer.status == 200 && !is_duplicate(&answer), "{subscription}: {answer:?}");
    }
    assert!(is_duplicate(&scene.gateway.send(&NOTIFY.signed(&body("sub_2")))));
}

#[test]
fn mcp_notify_may_put() {
    let scene = scene();
    let answer = scene.gateway.send(&NOTIFY.delivery().method("PUT"));
    assert_eq!(answer.status, 200, "405 would be final for this sender: {answer:?}");
    assert!(scene.upstream.last().line().starts_with("PUT /mcp-notify "));
    assert_eq!(scene.gateway.send(&GENERIC.delivery().method("PUT")).status, 405);
}

#[test]
fn bellwether_has_no_id_and_still_no_event_comes_twice() {
    let scene = scene();
    let body =
        |version: u32| format!("{{\"event\":\"baseline.uploaded\",\"data\":{{\"version\":{version}}}}}");
    for version in [1, 2] {
        let answer = scene.gateway.send(&BELLWETHER.signed(&body(version)));
        assert!(answer.status == 200 && !is_duplicate(&answer));
    }
    assert!(is_duplicate(&scene.gateway.send(&BELLWETHER.signed(&body(1)))));
}

#[test]
fn bytes_that_are_not_utf_8_are_verified_as_they_are() {
    let scene = scene();
    let mut body = b"{\"id\":\"evt_bytes\",\"x\":\"".to_vec();
    body.extend([0xff, 0xfe, 0x80]);
    body.extend(b"\"}");
    let value = hmac_hex(GENERIC.secret, &body);
    let answer = scene.gateway.send(&GENERIC.delivery().with(GENERIC.header, value).body(body.clone()));
    // Not valid JSON, so there may be no id in it; but never a wrong signature, and never other bytes.
    assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    if answer.status == 200 {
        assert_eq!(scene.upstream.last().body, body);
    }
}
