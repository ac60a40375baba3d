//! Every shape of handshake that senders are known to perform, and that none of them hands out what is not the asker's.

use http::{HeaderMap, HeaderName};

use crate::secret::{NamedSecret, Secret};
use crate::time::UnixTime;
use crate::verify::{self, Head, Keys, Verified};
use crate::yaml::{self, Problems};

use super::{ChallengeAnswer, Provider, challenge, find, names};

const HMAC: &str = "signature: { header: X-Sig }\nalgorithm: hmac-sha256\nsigned: \"{body}\"\n";

fn read(scheme: &str, challenge: &str) -> Result<Provider, String> {
    let text = format!("name: own\n{scheme}challenges:\n  - {challenge}\n");
    let mut problems = Problems::new();
    let provider = Provider::read(&yaml::parse(&text).unwrap(), "", &mut problems);
    provider.ok_or_else(|| problems.render("own.yaml"))
}

fn own(challenge: &str) -> Provider {
    read(HMAC, challenge).unwrap()
}

/// A request as `METHOD target`, header lines and a body.
#[derive(Clone, Copy)]
struct Ask<'a> {
    line: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

const fn ask<'a>(line: &'a str, headers: &'a [(&'a str, &'a str)], body: &'a str) -> Ask<'a> {
    Ask { line, headers, body }
}

impl Ask<'_> {
    fn headers(&self) -> HeaderMap {
        let pairs = self.headers.iter();
        pairs.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn answer(&self, provider: &Provider) -> Option<ChallengeAnswer> {
        self.answer_at(provider, true)
    }

    fn answer_at(&self, provider: &Provider, with_body: bool) -> Option<ChallengeAnswer> {
        let headers = self.headers();
        let (method, target) = self.line.split_once(' ').unwrap();
        let head = Head { method, target, origin: Some("https://hooks.example.com"), headers: &headers };
        let tokens = [NamedSecret::new("0", Secret::new(b"verify-me".to_vec()))];
        let body = with_body.then_some(self.body.as_bytes());
        challenge(
            provider,
            &head,
            body,
            None,
            &keys(provider, &["new", "old"]),
            &tokens,
            UnixTime::from_millis(0),
        )
    }
}

fn keys(provider: &Provider, secrets: &[&str]) -> Keys {
    let named = |secret: &&str| NamedSecret::new(*secret, Secret::new((*secret).into()));
    provider.scheme.prepare(&secrets.iter().map(named).collect::<Vec<_>>()).unwrap()
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn every_known_shape_is_answered_as_its_sender_wants() {
    for (what, challenge, request, answer) in [
        (
            "a query parameter as text (Dropbox, Nylas)",
            r#"{ method: GET, when: { "query:challenge": { present: true } }, answer: { content_type: text/plain, body: "{query:challenge}" } }"#,
            ask("GET /?challenge=abc", &[], ""),
            "200 text/plain abc",
        ),
        (
            "a query parameter of a POST (Microsoft Graph)",
            r#"{ method: POST, when: { "query:validationToken": { present: true } }, answer: { content_type: text/plain, body: "{query:validationToken}" } }"#,
            ask("POST /?validationToken=Validation%3a+Testing+1", &[], ""),
            "200 text/plain Validation: Testing 1",
        ),
        (
            "a query parameter as JSON, with a token (Oura, Strava)",
            r#"{ method: GET, when: { "query:challenge": { present: true } }, token: "query:verification_token", answer: { content_type: application/json, body: '{"challenge":{json_text:query:challenge}}' } }"#,
            ask("GET /?verification_token=verify-me&challenge=a%22b", &[], ""),
            r#"200 application/json {"challenge":"a\"b"}"#,
        ),
        (
            "a header as a header (RingCentral)",
            r#"{ method: POST, when: { "header:Validation-Token": { present: true } }, answer: { headers: { Validation-Token: "{header:Validation-Token}" } } }"#,
            ask("POST /", &[("validation-token", "t-1")], ""),
            "200 - validation-token=t-1 ",
        ),
        (
            "a header as text (Worldline) ",
            r#"{ method: GET, when: { "header:X-Verify": { present: true } }, answer: { content_type: text/plain, body: "{header:X-Verify}" } }"#,
            ask("GET /", &[("x-verify", "v")], ""),
            "200 text/plain v",
        ),
        (
            "a header as header and JSON (Smartsheet)",
            r#"{ method: POST, when: { "header:Smartsheet-Hook-Challenge": { present: true } }, answer: { content_type: application/json, headers: { Smartsheet-Hook-Response: "{header:Smartsheet-Hook-Challenge}" }, body: '{"smartsheetHookResponse":{json_text:header:Smartsheet-Hook-Challenge}}' } }"#,
            ask("POST /", &[("smartsheet-hook-challenge", "c")], "{}"),
            r#"200 application/json smartsheet-hook-response=c {"smartsheetHookResponse":"c"}"#,
        ),
        (
            "OPTIONS with an origin (CloudEvents)",
            r#"{ method: OPTIONS, when: { "header:WebHook-Request-Origin": { present: true } }, answer: { headers: { WebHook-Allowed-Origin: "{header:WebHook-Request-Origin}", WebHook-Allowed-Rate: "*" } } }"#,
            ask("OPTIONS /", &[("webhook-request-origin", "eventgrid.azure.net")], ""),
            "200 - webhook-allowed-origin=eventgrid.azure.net webhook-allowed-rate=* ",
        ),
        (
            "a field of an event (Event Grid)",
            r#"{ method: POST, when: { "json:/0/eventType": Microsoft.EventGrid.SubscriptionValidationEvent }, answer: { content_type: application/json, body: '{"validationResponse":{json_text:/0/data/validationCode}}' } }"#,
            ask(
                "POST /",
                &[],
                r#"[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6"}}]"#,
            ),
            r#"200 application/json {"validationResponse":"512d38b6"}"#,
        ),
        (
            "a token in the body (Lark)",
            r#"{ method: POST, when: { "json:/type": url_verification }, token: "json:/token", answer: { content_type: application/json, body: '{"challenge":{json_text:/challenge}}' } }"#,
            ask("POST /", &[], r#"{"type":"url_verification","token":"verify-me","challenge":"c"}"#),
            r#"200 application/json {"challenge":"c"}"#,
        ),
        (
            "no more than a 2xx to a HEAD (Trello)",
            "{ method: HEAD, answer: { status: 200 } }",
            ask("HEAD /", &[], ""),
            "200 - ",
        ),
        (
            "an empty POST (Exact Online)",
            "{ method: POST, when: { body: { absent: true } }, answer: { status: 204 } }",
            ask("POST /", &[], ""),
            "204 - ",
        ),
        (
            "an unsigned form (WooCommerce)",
            r#"{ method: POST, when: { "form:webhook_id": { present: true }, "header:X-Sig": { absent: true } }, answer: { status: 200 } }"#,
            ask("POST /", &[FORM], "webhook_id=7"),
            "200 - ",
        ),
        (
            "a digest with the token and the URL (eBay)",
            r#"{ method: GET, when: { "query:challenge_code": { present: true } }, answer: { content_type: application/json, body: '{"challengeResponse":"{sha256_hex:query:challenge_code+token+url}"}' } }"#,
            ask("GET /ebay?challenge_code=c0de", &[], ""),
            // printf 'c0deverify-mehttps://hooks.example.com/ebay' | sha256sum
            r#"200 application/json {"challengeResponse":"1788ce775b82cd1580af17988b2f63758c7835729269fe3e2a393aa2e84454ad"}"#,
        ),
        (
            "a MAC of a question (X), with the newest secret",
            r#"{ method: GET, when: { "query:crc_token": { present: true } }, ask: { pattern: token, longest: 128 }, answer: { content_type: application/json, body: '{"response_token":"sha256={hmac_base64:query:crc_token}"}' } }"#,
            ask("GET /?crc_token=9b4507b3-9040-4669-9ca3-6b94edb50553", &[], ""),
            // printf 9b4507b3-9040-4669-9ca3-6b94edb50553 | openssl dgst -sha256 -hmac new -binary | base64
            r#"200 application/json {"response_token":"sha256=/OkAO2Tbqeyz6zeeXjRhnbHiRx2gqkP+j+hlxZwwZFw="}"#,
        ),
        (
            "a token that proves the endpoint (Vercel's log drains)",
            r#"{ method: GET, when: { "query:x": { absent: true } }, public_token: true, answer: { headers: { x-vercel-verify: "{token}" } } }"#,
            ask("GET /", &[], ""),
            "200 - x-vercel-verify=verify-me ",
        ),
        (
            "a secret brought by header (Asana)",
            r#"{ method: POST, when: { "header:X-Hook-Secret": { present: true } }, reveal: "header:X-Hook-Secret", answer: { headers: { X-Hook-Secret: "{header:X-Hook-Secret}" } } }"#,
            ask("POST /", &[("x-hook-secret", "s3cret")], ""),
            "200 - x-hook-secret=s3cret ! s3cret",
        ),
        (
            "a secret brought in the body (Notion)",
            r#"{ method: POST, when: { "json:/verification_token": { present: true }, "header:X-Sig": { absent: true } }, reveal: "json:/verification_token", answer: { status: 200 } }"#,
            ask("POST /", &[], r#"{"verification_token":"secret_tM"}"#),
            "200 - ! secret_tM",
        ),
        (
            "a code that is compared (Fitbit)",
            r#"{ method: GET, when: { "query:verify": { present: true } }, token: "query:verify", refusal: { status: 404 }, answer: { status: 204 } }"#,
            ask("GET /?verify=verify-me", &[], ""),
            "204 - ",
        ),
        (
            "a code that is wrong (Fitbit)",
            r#"{ method: GET, when: { "query:verify": { present: true } }, token: "query:verify", refusal: { status: 404 }, answer: { status: 204 } }"#,
            ask("GET /?verify=another", &[], ""),
            "404 - refused ",
        ),
    ] {
        let answer_is = shown(&request.answer(&own(challenge)).unwrap_or_else(|| panic!("{what}")));
        assert_eq!(answer_is, answer, "{what}");
    }
}

fn shown(answer: &ChallengeAnswer) -> String {
    let mut text = format!("{} {} ", answer.status, answer.content_type.as_deref().unwrap_or("-"));
    for (name, value) in answer.headers.iter().filter(|(name, _)| name != "x-content-type-options") {
        text.push_str(&format!("{name}={} ", value.to_str().unwrap()));
    }
    if answer.refused {
        text.push_str("refused ");
    }
    text.push_str(std::str::from_utf8(&answer.body).unwrap());
    if let Some(value) = &answer.revealed {
        text.push_str(&format!("! {value}"));
    }
    text
}

#[test]
fn what_stands_in_the_body_is_not_judged_before_the_body_is_there() {
    let empty = own("{ method: POST, when: { body: { absent: true } }, answer: { status: 200 } }");
    let delivery = ask("POST /", &[], "{}");
    assert_eq!(delivery.answer_at(&empty, false), None);
    assert_eq!(delivery.answer(&empty), None);
    assert!(ask("POST /", &[], "").answer(&empty).is_some());
    let unsigned = own(
        r#"{ method: POST, when: { "json:/id": { absent: true } }, token: "header:X-Token", answer: { status: 200 } }"#,
    );
    assert_eq!(ask("POST /", &[("x-token", "verify-me")], r#"{"id":1}"#).answer_at(&unsigned, false), None);
}

#[test]
fn a_header_that_is_repeated_is_not_absent() {
    let ping =
        own(r#"{ method: POST, when: { "header:X-Sig": { absent: true } }, answer: { status: 200 } }"#);
    assert!(ask("POST /", &[], "").answer(&ping).is_some());
    assert!(ask("POST /", &[("x-sig", "")], "").answer(&ping).is_some(), "Gitea sends an empty one");
    let mut headers = HeaderMap::new();
    headers.append("x-sig", "a".parse().unwrap());
    headers.append("x-sig", "b".parse().unwrap());
    let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
    assert_eq!(
        challenge(&ping, &head, Some(b""), None, &keys(&ping, &["new"]), &[], UnixTime::from_millis(0)),
        None
    );
}

#[test]
fn what_would_hand_out_something_is_refused_when_it_is_read() {
    for (challenge, problem) in [
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, answer: { content_type: text/plain, body: "{hmac_hex:query:c}" } }"#,
            "is given to verified requests only",
        ),
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, answer: { headers: { X-C: "{hmac_hex:query:c}" } } }"#,
            "is given to verified requests only",
        ),
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, ask: { pattern: token, longest: 4096 }, answer: { content_type: text/plain, body: "{hmac_hex:query:c}" } }"#,
            "the longest question in bytes, 1 to 256",
        ),
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, ask: { pattern: anything, longest: 16 }, answer: { content_type: text/plain, body: "{hmac_hex:query:c}" } }"#,
            "ask.pattern",
        ),
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, answer: { content_type: text/plain, body: "{token}" } }"#,
            "shows the route's token",
        ),
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, answer: { content_type: text/html, body: "{query:c}" } }"#,
            "is `text/plain` or `application/json`",
        ),
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, answer: { body: "{query:c}" } }"#,
            "a body needs a `content_type`",
        ),
        (
            r#"{ method: GET, when: { "query:c": { present: true } }, refusal: { status: 404 }, answer: { status: 204 } }"#,
            "needs a `token` that can be wrong",
        ),
        (
            r#"{ method: POST, when: { "json:/s": { present: true } }, signed: true, reveal: "json:/s", answer: { status: 200 } }"#,
            "brings no secret",
        ),
        ("{ method: GET, answer: { status: 200 } }", "needs a mark"),
        (r#"{ method: PATCH, when: { body: { absent: true } }, answer: { status: 200 } }"#, "method"),
    ] {
        let found = read(HMAC, challenge).err().unwrap_or_else(|| panic!("{challenge} was read"));
        assert!(found.contains(problem), "{problem}\nis not in\n{found}");
    }
}

#[test]
fn a_question_stands_beside_no_scheme_whose_signed_bytes_are_not_its_text() {
    let asks = r#"{ method: GET, when: { "query:c": { present: true } }, ask: { pattern: token, longest: 64 }, answer: { content_type: text/plain, body: "{hmac_hex:query:c}" } }"#;
    assert!(read(HMAC, asks).is_ok());
    let found = read(&format!("{HMAC}prehash: sha256\n"), asks).unwrap_err();
    assert!(found.contains("`ask` cannot stand beside"), "{found}");
}

/// Verifies a delivery as the gateway does.
fn deliver(provider: &Provider, headers: &HeaderMap, body: &[u8]) -> Result<Verified, &'static str> {
    let head = Head { method: "POST", target: "/", origin: None, headers };
    let keys = keys(provider, &["new", "old"]);
    verify::verify(&provider.scheme, &keys, &head, body, None, UnixTime::from_millis(0))
        .and_then(|verified| provider.hold_against_questions(&verified, &head, body).map(|()| verified))
        .map_err(|rejection| rejection.word())
}

/// The attack that an unsigned question invites: ask for the MAC of a text, then deliver that text.
#[test]
fn the_answer_to_an_unsigned_question_signs_no_delivery() {
    let ask_for = |text: &str, provider: &Provider| {
        let line = format!("GET /?c={text}");
        let answer = ask(&line, &[], "").answer(provider)?;
        Some(String::from_utf8(answer.body).unwrap())
    };
    for (signed, before) in
        [("{body}", ""), ("hmacsha256={body}", "hmacsha256="), ("{header:X-Id}.{body}", "id.")]
    {
        let scheme =
            format!("signature: {{ header: X-Sig }}\nalgorithm: hmac-sha256\nsigned: \"{signed}\"\n");
        let provider = read(
            &scheme,
            r#"{ method: GET, when: { "query:c": { present: true } }, ask: { pattern: token, longest: 64 }, answer: { content_type: text/plain, body: "{hmac_hex:query:c}" } }"#,
        )
        .unwrap();
        let longest = "a".repeat(64 - before.len());
        for body in ["1", "a=b", "null", "eyJhbGciOiJub25lIn0.e30.", longest.as_str()] {
            let mac = ask_for(&format!("{before}{}", body.replace('=', "%3d")), &provider).unwrap();
            let headers = ask("POST /", &[("x-sig", &mac), ("x-id", "id")], "").headers();
            assert_eq!(
                deliver(&provider, &headers, body.as_bytes()).err(),
                Some("signature_malformed"),
                "{signed} {body}"
            );
        }
        // What can be delivered cannot be asked for.
        let too_long = "a".repeat(65 - before.len());
        for body in ["{}", "[]", "\"a\"", "a b", "a=1&b=2", "<a/>", "\u{e4}", too_long.as_str()] {
            let escaped: String = body.bytes().map(|byte| format!("%{byte:02x}")).collect();
            assert_eq!(ask_for(&format!("{before}{escaped}"), &provider), None, "{signed} {body}");
            let mac = keys(&provider, &["new"]).mac(0, format!("{before}{body}").as_bytes()).unwrap();
            let mac = hex::encode(mac);
            let headers = ask("POST /", &[("x-sig", &mac), ("x-id", "id")], "").headers();
            assert!(deliver(&provider, &headers, body.as_bytes()).is_ok(), "{signed} {body}");
        }
    }
}

#[test]
fn a_token_that_a_question_could_sign_is_no_token() {
    let scheme = "alternatives:\n  - { signature: { header: X-Sig }, algorithm: hmac-sha256, signed: \"{body}\", when: { header: X-Sig, present: true } }\n  \
                  - { signature: { header: X-Jwt }, algorithm: jwt, jwt: { algorithms: [HS256] }, unsigned_body: true }\n";
    let provider = read(
        scheme,
        r#"{ method: GET, when: { "query:c": { present: true } }, ask: { pattern: token, longest: 128 }, answer: { content_type: text/plain, body: "{hmac_base64:query:c}" } }"#,
    );
    let Ok(provider) = provider else { panic!("{provider:?}") };
    // {"alg":"HS256"} and {}
    let answer = ask("GET /?c=eyJhbGciOiJIUzI1NiJ9.e30", &[], "").answer(&provider).unwrap();
    let mac = String::from_utf8(answer.body).unwrap();
    let mac = mac.replace('+', "-").replace('/', "_").replace('=', "");
    let token = format!("eyJhbGciOiJIUzI1NiJ9.e30.{mac}");
    let headers = ask("POST /", &[("x-jwt", &token)], "").headers();
    assert_eq!(deliver(&provider, &headers, b"{}").err(), Some("signature_malformed"));
}

/// Where a sender asks unsigned, no accepted vector of its own may look like a question.
#[test]
fn every_sender_of_the_catalogue_that_asks_unsigned_for_a_mac_declares_what_it_asks() {
    for provider in names().filter_map(find) {
        for challenge in &provider.challenges {
            let has_mac = challenge.answer.templates().any(super::AnswerTemplate::needs_mac);
            assert!(!has_mac || challenge.signed || challenge.ask.is_some(), "{}", provider.name);
        }
    }
}
