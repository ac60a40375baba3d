//! `sealpost sign` and `sealpost send`

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use crate::sealpost::Folder;

#[test]
fn the_headers_are_those_the_sender_would_send() {
    let folder = Folder::with(&[("secret", "It's a Secret to Everybody\n")]);
    // The example of GitHub's own documents.
    let ended = folder.run_with("sign --provider github --secret file:secret --body -", "Hello, World!");
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.to_ascii_lowercase().trim(), format!("x-hub-signature-256: {expected}"));
    let line = "sign --provider github --secret file:secret --body - --format curl --url http://a.example/x";
    let curl = folder.run_with(line, "Hello, World!").out;
    assert!(curl.contains("--data-binary 'Hello, World!'") && curl.contains(expected), "{curl}");
}

#[test]
fn what_is_signed_explains_as_verified() {
    let folder = Folder::with(&[("secret", "whsec-abc123"), ("body", "{\"id\":\"evt-1\"}")]);
    let signed = folder.run("sign --provider bella-baxter --secret file:secret --body body");
    folder.write("headers", &signed.out);
    let ended =
        folder.run("explain --provider bella-baxter --secret file:secret --headers headers --body body");
    assert_eq!(ended.code, Some(0), "{}", ended.out);
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated_in_advice() {
    let ended = Folder::with(&[]).run("sign --provider github --secret hunter2");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("env:NAME"), "{}", ended.err);
}

#[test]
fn send_posts_the_same_bytes_again_and_fails_when_one_answer_is_no() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = std::thread::spawn(move || {
        let mut answers = ["200 OK", "401 Unauthorized"].iter();
        let mut bodies = Vec::new();
        while bodies.len() < 2 {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            bodies.push(body);
            let status = answers.next().unwrap();
            let answer = format!(
                "HTTP/1.1 {status}\r\nsealpost-result: here\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"
            );
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
        bodies
    });
    let folder = Folder::with(&[("secret", "abc"), ("body", "{ \"a\":1 }\n")]);
    let line = format!(
        "send --provider github --secret file:secret --body body --repeat 2 --url http://{address}/x"
    );
    let ended = folder.run(&line);
    assert_eq!(receiver.join().unwrap(), [b"{ \"a\":1 }\n".to_vec(), b"{ \"a\":1 }\n".to_vec()]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let said = "200 OK\n  sealpost-result: here\n  hi\n401 Unauthorized\n  sealpost-result: here\n  hi\n";
    assert_eq!(ended.out, said);
}
