//! Mistakes about the URL and the method, for senders that sign them.

use std::borrow::Cow;

use crate::verify::Part;

use super::Question;
use super::attempt::Attempt;
use super::hypothesis::Undone;

/// http for https, a port more or less.
pub(super) fn origin<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let Some(origin) = attempt.origin.as_deref().filter(|_| signs(attempt, |part| *part == Part::Url)) else {
        return Vec::new();
    };
    let Some((scheme, authority)) = origin.split_once("://") else { return Vec::new() };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let other_scheme = if scheme == "https" { "http" } else { "https" };
    let mut origins = vec![format!("{other_scheme}://{authority}")];
    for scheme in [scheme, other_scheme] {
        origins.extend(["", ":443", ":80", ":8080", ":8443"].map(|port| format!("{scheme}://{host}{port}")));
        let twin = host.strip_prefix("www.").map_or_else(|| format!("www.{host}"), str::to_owned);
        origins.push(format!("{scheme}://{twin}"));
    }
    origins
        .into_iter()
        .filter(|candidate| candidate != origin)
        .map(|candidate| {
            let advice = format!(
                "the sender called `{candidate}`, not `{origin}`; a proxy in front ends TLS or changes the port: set the \
                 route's `public_url` to the address the sender calls"
            );
            let origin = Some(Cow::Owned(candidate));
            Undone::new(Attempt { origin, ..attempt.clone() }, advice)
        })
        .collect()
}

/// A slash at the end, a query added or removed, a path shortened by a proxy.
pub(super) fn path<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let concerned =
        |part: &Part| matches!(part, Part::Url | Part::Path | Part::Query | Part::QueryParameter(_));
    if !signs(attempt, concerned) {
        return Vec::new();
    }
    let (path, query) = match attempt.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*attempt.target, None),
    };
    let with = |path: &str| query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let slash = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
    let mut changes = vec![
        (with(&slash), "a slash at the end of the path was added or taken off on the way"),
        (path.to_owned(), "the query was added on the way"),
        (path.to_ascii_lowercase(), "the letter case of the path was changed on the way"),
        (with(&decoded(path)), "the path's percent-escapes were changed on the way"),
    ];
    if let Some(query) = query {
        let unescaped = format!("{path}?{}", decoded(query));
        changes.push((unescaped, "the query's percent-escapes were changed on the way"));
    }
    changes
        .into_iter()
        .filter(|(target, _)| **target != *attempt.target && !target.is_empty())
        .map(|(target, what)| {
            let advice = format!("{what}, and the sender signs the URL it called: pass it on unchanged");
            Undone::new(Attempt { target: Cow::Owned(target), ..attempt.clone() }, advice)
        })
        .collect()
}

/// Another method, for senders that sign it.
pub(super) fn method<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    if !signs(attempt, |part| *part == Part::Method) {
        return Vec::new();
    }
    ["POST", "PUT", "GET", "PATCH", "DELETE"]
        .into_iter()
        .filter(|method| *method != attempt.method)
        .map(|method| {
            let advice = format!("the sender signed the method {method}, it arrived as {}", attempt.method);
            Undone::new(Attempt { method: Cow::Borrowed(method), ..attempt.clone() }, advice)
        })
        .collect()
}

/// Whether any form of the sender signs such a part.
pub(super) fn signs(attempt: &Attempt<'_>, part: impl Fn(&Part) -> bool) -> bool {
    let mut templates = attempt.scheme.alternatives.iter().flat_map(|form| &form.signed);
    templates.any(|template| template.leaves().any(&part))
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Case;

    #[test]
    fn another_scheme_or_port() {
        let called = |content: &'static [u8]| Case::signed(b"{}").signs("{url}{body}").content(content);
        called(b"https://a.example/hook{}").at("http://a.example", "/hook").is("url_origin", "public_url");
        called(b"https://a.example:8443/hook{}").at("https://a.example", "/hook").is("url_origin", ":8443");
    }

    #[test]
    fn another_path_or_query() {
        let called = |content: &'static [u8]| Case::signed(b"{}").signs("{url}{body}").content(content);
        called(b"https://a.example/hook/{}").at("https://a.example", "/hook").is("url_path", "slash");
        called(b"https://a.example/hook{}").at("https://a.example", "/hook?a=1").is("url_path", "query");
    }

    #[test]
    fn another_method() {
        Case::signed(b"{}").signs("{method} {body}").content(b"PUT {}").is("method", "signed the method PUT");
    }
}
