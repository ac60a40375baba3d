//! The signature base of an HTTP message signature (RFC 9421, section 2.5): the covered components, one a line.

use http::HeaderName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::delivery::Head;
use super::form;
use super::headers::text;
use super::jose::malformed;
use super::rejection::Rejection;
use super::structured::{InnerList, Item, Parameters};

/// What `application/x-www-form-urlencoded` leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// The components that a request has besides its headers; `@query-param` needs a name.
const DERIVED: [&str; 7] =
    ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"];

/// Whether a scheme can require this component.
pub(crate) fn is_component(name: &str) -> bool {
    DERIVED.contains(&name) || is_header(name)
}

/// The signed bytes.
pub(crate) fn signature_base(list: &InnerList, head: &Head<'_>) -> Result<String, Rejection> {
    let mut base = String::new();
    for (index, (item, parameters)) in list.items.iter().enumerate() {
        let Item::String(name) = item else { return Err(malformed("a covered component has no name")) };
        let before = list.items.iter().take(index);
        if before.into_iter().any(|(other, others)| other == item && others == parameters) {
            return Err(malformed("a component is covered twice"));
        }
        let value = component(name, parameters, head)?;
        base.push_str(&format!("{item}{parameters}: {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {list}"));
    Ok(base)
}

fn component(name: &str, parameters: &Parameters, head: &Head<'_>) -> Result<String, Rejection> {
    const UNKNOWN: Rejection = malformed("the URL is signed and the route's public URL is not known");
    const PARAMETERS: Rejection =
        malformed("a covered component has a parameter (sf, key, bs, req, tr) that is not understood");
    if name == "@query-param" {
        return match parameters.0.as_slice() {
            [(parameter, Item::String(wanted))] if parameter == "name" => query_parameter(wanted, head),
            _ => Err(PARAMETERS),
        };
    }
    if !parameters.0.is_empty() {
        return Err(PARAMETERS);
    }
    let origin = || head.origin.ok_or(UNKNOWN);
    let scheme_and_host = || origin()?.split_once("://").ok_or(UNKNOWN);
    match name {
        "@method" => Ok(head.method.to_owned()),
        "@target-uri" => Ok(format!("{}{}", origin()?, head.target)),
        "@authority" => scheme_and_host().map(|(scheme, host)| authority(scheme, host)),
        "@scheme" => scheme_and_host().map(|(scheme, _)| scheme.to_ascii_lowercase()),
        "@request-target" => Ok(head.target.to_owned()),
        "@path" => Ok(if head.path().is_empty() { "/" } else { head.path() }.to_owned()),
        "@query" => Ok(format!("?{}", head.query().unwrap_or_default())),
        name if is_header(name) => header(name, head),
        _ => Err(malformed("a covered component is not one of a request's")),
    }
}

/// In lower case, without the port that goes without saying.
fn authority(scheme: &str, host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let usual = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    host.strip_suffix(usual).unwrap_or(&host).to_owned()
}

/// All values of the header, without the spaces around each.
fn header(name: &str, head: &Head<'_>) -> Result<String, Rejection> {
    let mut values = Vec::new();
    let name = HeaderName::from_bytes(name.as_bytes()).ok();
    for value in name.iter().flat_map(|name| head.headers.values(name)) {
        let text = text(value).ok_or_else(|| malformed("a header that is signed is not printable ASCII"))?;
        values.push(text.trim_matches([' ', '\t']));
    }
    if values.is_empty() {
        Err(malformed("a header that is signed is missing"))
    } else {
        Ok(values.join(", "))
    }
}

fn query_parameter(wanted: &str, head: &Head<'_>) -> Result<String, Rejection> {
    let escaped = |bytes: &[u8]| utf8_percent_encode(&String::from_utf8_lossy(bytes), ESCAPED).to_string();
    let query = head.query().unwrap_or_default().as_bytes();
    let mut values = form::fields(query).filter(|(name, _)| escaped(name) == wanted);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Ok(escaped(&value)),
        _ => Err(malformed("a query parameter that is signed is missing or stands there several times")),
    }
}

/// A header's name as the standard writes it: in lower case.
fn is_header(name: &str) -> bool {
    !name.bytes().any(|byte| byte.is_ascii_uppercase()) && name.parse::<HeaderName>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::structured::{Member, dictionary};
    use http::HeaderMap;
    use proptest::prelude::*;

    fn base(list: &str, head: &Head<'_>) -> Result<String, Rejection> {
        let members = dictionary(&format!("s={list}")).unwrap();
        let [(_, Member::List(list))] = members.as_slice() else { panic!("{list}") };
        signature_base(list, head)
    }

    fn lines(list: &str, target: &str, origin: Option<&str>) -> Result<Vec<String>, Rejection> {
        let mut headers = HeaderMap::new();
        for value in [" 1 ", "2"] {
            headers.append("x-a", value.parse().unwrap());
        }
        let head = Head { method: "POST", target, origin, headers: &headers };
        let base = base(list, &head)?;
        Ok(base.lines().filter_map(|line| line.split_once(": ")).map(|(_, value)| value.to_owned()).collect())
    }

    #[test]
    fn every_component_of_a_request_has_its_value() {
        let value = |component: &str, target: &str, origin| {
            lines(&format!("({component})"), target, origin).map(|lines| lines[0].clone()).ok()
        };
        let (target, origin) = ("/a%20b?x=1&y=a+b&x=2", Some("https://H.example:443"));
        for (component, expected) in [
            ("\"@method\"", "POST"),
            ("\"@target-uri\"", "https://H.example:443/a%20b?x=1&y=a+b&x=2"),
            ("\"@authority\"", "h.example"),
            ("\"@scheme\"", "https"),
            ("\"@request-target\"", target),
            ("\"@path\"", "/a%20b"),
            ("\"@query\"", "?x=1&y=a+b&x=2"),
            ("\"@query-param\";name=\"y\"", "a%20b"),
            ("\"x-a\"", "1, 2"),
        ] {
            assert_eq!(value(component, target, origin).as_deref(), Some(expected), "{component}");
        }
        assert_eq!(value("\"@query\"", "/a", origin).as_deref(), Some("?"));
        assert_eq!(value("\"@authority\"", "/", Some("http://h:8080")).as_deref(), Some("h:8080"));
        for refused in [
            "\"@query-param\";name=\"x\"",
            "\"@query-param\";name=\"z\"",
            "\"@query-param\"",
            "\"x-b\"",
            "\"X-A\"",
            "\"@status\"",
            "\"x-a\";sf",
            "\"x-a\";bs",
            "\"x-a\";key=\"k\"",
            "\"x-a\";req",
            "\"@method\";req",
            "x",
            "\"\"",
            "\"x-a\" \"x-a\"",
        ] {
            assert_eq!(value(refused, target, origin), None, "{refused}");
        }
        assert_eq!(value("\"@target-uri\"", "/", None), None);
    }

    proptest! {
        #[test]
        fn no_component_makes_it_panic(name in "@?[a-z-]{0,12}", target in "\\PC{0,20}", origin in "\\PC{0,20}") {
            let headers = HeaderMap::new();
            let head = Head { method: "POST", target: &target, origin: Some(&origin), headers: &headers };
            let name = Item::String(name);
            let parameters = Parameters(vec![("name".into(), Item::String("a".into()))]);
            for parameters in [Parameters::default(), parameters] {
                let items = vec![(name.clone(), parameters)];
                let _ = signature_base(&InnerList { items, parameters: Parameters::default() }, &head);
            }
        }
    }
}
