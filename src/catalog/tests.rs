//! The catalogue as a whole: every sender is proven by its vectors, and mistakes in an entry are found with their places.

use crate::yaml::{self, Problems};

use crate::secret::{NamedSecret, Secret};
use crate::time::UnixTime;
use crate::verify::{Head, Keys};

use super::{ChallengeAnswer, LONGEST_ECHO, Provider, Vectors, builtin, challenge, find, names, run_vectors};

fn vectors(name: &str) -> Vectors {
    let text = builtin::vectors_text(name).unwrap_or_else(|| panic!("{name} has no vectors"));
    let mut problems = Problems::new();
    let node = yaml::parse(text).unwrap_or_else(|problem| panic!("{}", problem.render(name)));
    let vectors = Vectors::read(&node, "", &mut problems);
    assert!(problems.is_empty(), "{}", problems.render(&format!("{name}.vectors.yaml")));
    vectors
}

fn problems(text: &str) -> String {
    let mut problems = Problems::new();
    let provider = Provider::read(&yaml::parse(text).unwrap(), "", &mut problems);
    assert_eq!(provider.is_none(), !problems.is_empty());
    problems.sorted().render("own.yaml")
}

#[test]
fn every_sender_passes_its_vectors() {
    let mut failures = Vec::new();
    let mut checks = 0;
    for name in names() {
        let provider = find(name).unwrap();
        for result in run_vectors(&provider, &vectors(name)) {
            checks += 1;
            if let Some(problem) = result.problem {
                failures.push(format!("{name}: {}: {}: {problem}", result.vector, result.check));
            }
        }
    }
    println!("{checks} checks of {} senders", names().count());
    assert!(failures.is_empty(), "{} of {checks} failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn an_unexpected_acceptance_and_another_reason_are_failures() {
    let provider = find("github").unwrap();
    let mut vectors = vectors("github");
    vectors.list.truncate(1);
    vectors.list[0].expect = super::Expect::Refused("signature_mismatch".into());
    let results = run_vectors(&provider, &vectors);
    assert_eq!(results[0].problem.as_deref(), Some("it was accepted"));
    assert_eq!(results[1].problem.as_deref(), Some("no vector shows that it accepts anything"));
    vectors.list[0].headers.clear();
    let results = run_vectors(&provider, &vectors);
    let problem = results[0].problem.as_deref().unwrap();
    assert!(problem.starts_with("it was refused as signature_missing"), "{problem}");
}

#[test]
fn the_least_entry_of_ones_own_has_a_default_for_everything_else() {
    let text = "name: own\nsignature: { header: X-Sig }\nalgorithm: hmac-sha256\nsigned: \"{body}\"\n";
    let mut problems = Problems::new();
    let own = Provider::read(&yaml::parse(text).unwrap(), "", &mut problems).unwrap();
    assert_eq!((own.title.as_str(), own.methods.as_slice()), ("own", &["POST".to_owned()][..]));
    assert_eq!(own.refusal_status, 401);
    assert_eq!(own.tolerance, None);
    assert_eq!(own.event.key, ["body".parse().unwrap()]);
}

#[test]
fn an_id_that_is_not_signed_never_becomes_the_key_by_itself() {
    let with = |event: &str, algorithm: &str| {
        let signed = if algorithm == "token" { "" } else { "signed: \"{body}\"\n" };
        let text = format!(
            "name: own\nsignature: {{ header: X-Sig }}\nalgorithm: {algorithm}\n{signed}event: {event}\n"
        );
        let own = Provider::read(&yaml::parse(&text).unwrap(), "", &mut Problems::new()).unwrap();
        (own.event.key.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + "), own.id_signed)
    };
    assert_eq!(with("{ id: header:X-Id }", "hmac-sha256"), ("body".into(), false));
    assert_eq!(with("{ id: json:/id }", "hmac-sha256"), ("json:/id".into(), true));
    assert_eq!(with("{ id: [json:/id, json:/ids/0] }", "hmac-sha256"), ("json:/id|json:/ids/0".into(), true));
    assert_eq!(with("{ id: json:/id }", "token"), ("body".into(), false));
    assert_eq!(with("{ id: json:/id, key: [json:/a, json:/b] }", "hmac-sha256").0, "json:/a + json:/b");
}

#[test]
fn every_mistake_of_an_entry_is_found_at_once_with_its_place() {
    let found = problems(
        "name: My Sender\n\
         signature: { heder: X-Sig, encoding: hexx }\n\
         algorithm: hmac-sha265\n\
         signed: \"{body\"\n\
         timestamp: { header: X-Time, tolerance: soon }\n\
         event: { id: jsn:/id }\n\
         retry: { never: true, span: 3d }\n\
         colour: red\n",
    );
    for expected in [
        "own.yaml:1:7 name: a provider's name is made of",
        "own.yaml:2:14 signature.heder: unknown key `heder`; did you mean `header`?",
        "own.yaml:2:38 signature.encoding: `hexx` is not one of hex, base64, base64url, base64_hex, text; did you mean `hex`?",
        "own.yaml:3:12 algorithm: `hmac-sha265` is not one of",
        "own.yaml:4:9 signed: a brace stands alone",
        "own.yaml:5:41 timestamp.tolerance: `soon` is not a duration",
        "own.yaml:6:14 event.id: `jsn:/id`",
        "own.yaml:7:17 retry.never: a sender that never retries",
        "own.yaml:8:1 colour: unknown key `colour`",
    ] {
        assert!(found.contains(expected), "{expected}\nis not in\n{found}");
    }
}

#[test]
fn what_a_scheme_cannot_mean_is_said_when_it_is_read() {
    let unsigned_time = problems(
        "name: own\nsignature: { header: X-Sig }\nalgorithm: hmac-sha256\nsigned: \"{body}\"\ntimestamp: { header: X-Time }\n",
    );
    assert!(unsigned_time.contains("anyone could write a fresh one"), "{unsigned_time}");
    let mac_for_anyone = problems(
        "name: own\nsignature: { header: X-Sig }\nalgorithm: hmac-sha256\nsigned: \"{body}\"\n\
         challenges: [ { method: GET, when: { \"query:c\": { present: true } }, answer: { body: \"{hmac_hex:query:c}\" } } ]\n",
    );
    assert!(mac_for_anyone.contains("say `signed: true`"), "{mac_for_anyone}");
}

#[test]
fn a_sender_of_a_mapping_takes_its_name_from_the_key() {
    let node = yaml::parse("signature: { header: X-Sig }\nalgorithm: token\n").unwrap();
    let mut problems = Problems::new();
    let own = Provider::read_named("mine", &node, "providers.mine", &mut problems);
    assert_eq!(own.map(|own| own.name).as_deref(), Some("mine"), "{}", problems.render("gateway.yaml"));
    let node = yaml::parse("name: yours\nsignature: { header: X-Sig }\nalgorithm: token\n").unwrap();
    assert!(Provider::read_named("mine", &node, "providers.mine", &mut problems).is_none());
    assert!(
        problems
            .render("gateway.yaml")
            .contains("gateway.yaml:1:7 providers.mine.name: this entry is called `mine`")
    );
}

/// The answer to a request with this target, headers and body, before (`None`) or after verification.
fn asked(
    provider: &Provider,
    (method, target): (&str, &str),
    body: &str,
    matched: Option<usize>,
    tokens: &[&str],
) -> Option<ChallengeAnswer> {
    let headers = http::HeaderMap::new();
    let head = Head { method, target, origin: None, headers: &headers };
    let tokens: Vec<_> =
        tokens.iter().map(|token| NamedSecret::new("0", Secret::new(token.as_bytes().to_vec()))).collect();
    challenge(
        provider,
        &head,
        Some(body.as_bytes()),
        matched,
        &keys(provider, &["old", "new"]),
        &tokens,
        UnixTime::from_millis(0),
    )
}

fn keys(provider: &Provider, secrets: &[&str]) -> Keys {
    let named = |secret: &&str| NamedSecret::new(*secret, Secret::new((*secret).into()));
    provider.scheme.prepare(&secrets.iter().map(named).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_subscription_is_answered_to_the_right_token_only() {
    let meta = find("whatsapp-meta").unwrap();
    let ask = |query: &str, tokens: &[&str]| asked(&meta, ("GET", &format!("/?{query}")), "", None, tokens);
    let right = "hub.mode=subscribe&hub.challenge=42&hub.verify_token=t0ken";
    let answer = ask(right, &["other", "t0ken"]).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"42"[..]));
    assert!(
        answer.headers.iter().any(|(name, value)| name == "x-content-type-options" && value == "nosniff")
    );
    for (query, tokens) in [
        (right, &["t0ke"][..]),
        (right, &[]),
        (right, &[""]),
        ("hub.mode=subscribe&hub.challenge=42&hub.verify_token=", &[""]),
        ("hub.mode=subscribe&hub.challenge=42", &["t0ken"]),
        ("hub.mode=unsubscribe&hub.challenge=42&hub.verify_token=t0ken", &["t0ken"]),
    ] {
        assert_eq!(ask(query, tokens), None, "{query} {tokens:?}");
    }
    assert_eq!(asked(&meta, ("POST", &format!("/?{right}")), "", None, &["t0ken"]), None);
}

#[test]
fn only_short_printable_ascii_is_echoed() {
    let meta = find("whatsapp-meta").unwrap();
    let ask = |challenge: &str| {
        let target = format!("/?hub.mode=subscribe&hub.verify_token=t&hub.challenge={challenge}");
        asked(&meta, ("GET", &target), "", None, &["t"]).map(|answer| answer.body.len())
    };
    assert_eq!(ask(&"a".repeat(LONGEST_ECHO)), Some(LONGEST_ECHO));
    assert_eq!(ask(&"a".repeat(LONGEST_ECHO + 1)), None);
    assert_eq!(ask("Validation:+a%20b"), Some(15), "Microsoft Graph asks with spaces");
    for text in ["", "a%0d%0ab", "%c3%a9", "%00", "%7f", "%3Cb%3E+x"] {
        assert_eq!(ask(text), None, "{text}");
    }
}

#[test]
fn a_signed_handshake_is_answered_after_verification_and_with_the_secret_that_verified() {
    let zoom = find("zoom").unwrap();
    let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"a\"b"}}"#;
    assert_eq!(asked(&zoom, ("POST", "/"), body, None, &["old"]), None);
    let slack = find("slack").unwrap();
    let question = r#"{"type":"url_verification","challenge":"c"}"#;
    assert_eq!(asked(&slack, ("POST", "/"), question, None, &["old"]), None);
    assert_eq!(asked(&slack, ("POST", "/"), question, Some(0), &[]).unwrap().body, b"c");
    let answers = [0, 1].map(|matched| asked(&zoom, ("POST", "/"), body, Some(matched), &[]).unwrap());
    assert_ne!(answers[0].body, answers[1].body);
    for (answer, secret) in answers.iter().zip(["old", "new"]) {
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["plainToken"], "a\"b");
        let mac = keys(&zoom, &[secret]).mac(0, b"a\"b").unwrap();
        assert_eq!(json["encryptedToken"], hex::encode(mac));
    }
}

#[test]
fn a_value_inside_json_cannot_end_its_text() {
    let text = "name: own\nsignature: { header: X-Sig }\nalgorithm: token\nchallenges:\n  - method: GET\n    when: { \"query:c\": { present: true } }\n    \
                answer: { content_type: application/json, body: '{\"c\":\"{query:c}\"}' }\n";
    let own = Provider::read(&yaml::parse(text).unwrap(), "", &mut Problems::new()).unwrap();
    let answer = asked(&own, ("GET", "/?c=%22%2C%22x%22%3A%22"), "", None, &[]).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(json, serde_json::json!({ "c": "\",\"x\":\"" }));
}

#[test]
fn every_event_of_a_sender_lives_longer_than_its_schedule_and_its_window() {
    for provider in names().filter_map(find) {
        let schedule = super::defaults::horizon(&provider.retry).unwrap_or_default();
        let window =
            provider.tolerance.map_or(std::time::Duration::ZERO, |window| window.past + window.future);
        assert!(provider.dedupe_ttl >= schedule.max(window), "{}", provider.name);
        let waits = provider.retry.timeout.unwrap_or(std::time::Duration::from_secs(10));
        assert!(provider.upstream_timeout < waits, "{}", provider.name);
    }
}

/// Prints rather than asserts: a figure of a debug build on a shared machine proves nothing.
#[test]
fn how_long_it_takes_to_read_every_file() {
    let texts: Vec<_> = names().filter_map(builtin::text).collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let before = std::time::Instant::now();
    let read = texts.iter().filter(|text| builtin::parse(text).is_ok()).count();
    println!("{read} files, {bytes} bytes: {:?}", before.elapsed());
    assert_eq!(read, texts.len());
}

/// Deliveries like the vectors', signed here, verify. Senders with key pairs keep their private keys to themselves.
#[test]
fn every_sender_whose_key_can_sign_can_be_signed_for() {
    use crate::verify::sign::{SignRequest, sign};
    let mut failures = Vec::new();
    let mut signed_for = 0;
    for name in names() {
        let provider = find(name).unwrap();
        let accepted =
            vectors(name).list.into_iter().filter(|vector| vector.expect == super::Expect::Accepted);
        for vector in accepted {
            let provider = provider.with_settings(&vector.settings).unwrap();
            let url = format!("{}{}", vector.origin_url.clone().unwrap_or_default(), vector.target);
            let request = SignRequest {
                method: &vector.method,
                url: &url,
                headers: &vector.headers,
                body: &vector.body,
                id: None,
                timestamp: vector.now,
            };
            let outcome = sign(&provider.scheme, &vector.secret, &request).map_err(|error| error.to_string());
            let outcome = outcome.and_then(|signed| {
                let mut headers = vector.headers.clone();
                for (name, value) in &signed.headers {
                    headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
                }
                let origin = vector.origin_url.as_deref();
                let target = signed.url.strip_prefix(origin.unwrap_or_default()).unwrap();
                let head = Head { method: &vector.method, target, origin, headers: &headers };
                let named = NamedSecret::new("0", vector.secret.clone());
                let keys = provider.scheme.prepare(&[named]).unwrap();
                crate::verify::verify(
                    &provider.scheme,
                    &keys,
                    &head,
                    &signed.body,
                    provider.tolerance,
                    vector.now,
                )
                .map_err(|rejection| rejection.to_string())
            });
            match outcome {
                Ok(_) => signed_for += 1,
                Err(why) if why.contains("expected the private key") || why.contains("only checked") => {}
                Err(why) => failures.push(format!("{name}: {}: {why}", vector.name)),
            }
        }
    }
    println!("{signed_for} deliveries signed");
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// Mailgun joins them without a mark and does not sign the event, so the token alone would be a new key for each cut.
#[test]
fn a_digit_moved_between_mailguns_time_and_token_makes_no_other_event() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mailgun = find("mailgun").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(b"1773829800aa11");
    let signature = hex::encode(mac.finalize().into_bytes());
    let named = NamedSecret::new("0", Secret::new(b"secret".to_vec()));
    let keys = mailgun.scheme.prepare(&[named]).unwrap();
    let headers = http::HeaderMap::new();
    let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
    let key = |time: &str, token: &str| {
        let body = format!(
            r#"{{"signature":{{"timestamp":"{time}","token":"{token}","signature":"{signature}"}},"event-data":{{}}}}"#
        );
        let now = crate::time::UnixTime::from_seconds(1_773_829_800).unwrap();
        let verified =
            crate::verify::verify(&mailgun.scheme, &keys, &head, body.as_bytes(), None, now).unwrap();
        crate::verify::event_key("r", &mailgun.event.key, &mailgun.scheme, &verified, &head, body.as_bytes())
    };
    assert_eq!(key("1773829800", "aa11").unwrap(), key("1773829800a", "a11").unwrap());
}
