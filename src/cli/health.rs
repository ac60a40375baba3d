//! `sealpost health`: asks a running gateway's admin address and ends with 0 or 1, so that an image without a shell
//! can check itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use crate::yaml;

use super::args::HealthArguments;
use super::known::read_text;
use super::output::{Failure, Outcome, print};

/// More than a probe's answer needs.
const LONGEST: u64 = 64 * 1024;

/// Asks and prints the answer in a word.
pub(super) fn execute(arguments: &HealthArguments) -> Outcome {
    let base = match &arguments.admin {
        Some(base) => base.clone(),
        None => admin_of(&arguments.file)?,
    };
    let (path, good) = if arguments.live { ("/healthz", "alive") } else { ("/readyz", "ready") };
    let url = format!("{base}{path}");
    let (status, body) = ask(&url, arguments.timeout)?;
    // The word as well: another server on this port can answer 200, too.
    let told = serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
    let word = told.get("status").and_then(Value::as_str);
    if status == 200 && word == Some(good) {
        return print(&format!("{good}\n"));
    }
    let Some(word) = word else {
        return Err(Failure::Failed(format!("{url} answered {status}, and not as a gateway does")));
    };
    let reasons = told.get("reasons").and_then(Value::as_array).into_iter().flatten();
    let reasons: Vec<_> = reasons.filter_map(Value::as_str).collect();
    let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    Err(Failure::Failed(format!("{word}{why}").escape_debug().to_string()))
}

/// Where the admin address that the file names is asked.
pub(super) fn admin_of(file: &Path) -> Result<String, Failure> {
    Ok(format!("http://{}", reachable(address(file)?)))
}

/// The admin address that the file names. Nothing else of it is read: a mistake somewhere in a file that is not in force
/// yet, or a secret that only the gateway can read, does not make the running gateway unhealthy.
fn address(file: &Path) -> Result<SocketAddr, Failure> {
    let text = read_text(file)?;
    let shown = file.display();
    let root = yaml::parse(&text)
        .map_err(|problem| Failure::Failed(problem.render(&shown.to_string()).trim_end().to_owned()))?;
    let Some(admin) = root.get("admin") else {
        return Err(Failure::Failed(format!(
            "{shown} has no admin address to ask; add `admin: {{ address: 127.0.0.1:9090 }}`"
        )));
    };
    let text = admin.get("address").and_then(yaml::Node::as_text);
    let address: SocketAddr = text
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Failure::Failed(format!("admin.address in {shown} is not an address and port")))?;
    if address.port() == 0 {
        return Err(Failure::Failed(format!(
            "admin.address in {shown} takes any free port; ask the one it took with --admin HOST:PORT"
        )));
    }
    Ok(address)
}

/// What listens on every address is asked on the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn ask(url: &str, timeout: Duration) -> Result<(u16, Vec<u8>), Failure> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // The environment's proxy is for the way out, not for our own address.
        .proxy(None)
        .timeout_global(Some(timeout))
        .build()
        .into();
    let cannot = |why: String| Failure::Failed(format!("cannot ask {url}: {why}"));
    let mut response = agent.get(url).call().map_err(|error| cannot(error.to_string()))?;
    let body = response.body_mut().with_config().limit(LONGEST).read_to_vec();
    let body = body.map_err(|error| cannot(format!("the answer broke off: {error}")))?;
    Ok((response.status().as_u16(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(yaml: &str) -> Result<SocketAddr, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, yaml).unwrap();
        address(&file).map(reachable)
    }

    #[test]
    fn the_address_is_read_although_the_rest_cannot_be() {
        for (address, asked) in [
            ("127.0.0.1:9090", "127.0.0.1:9090"),
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("\"[::]:9090\"", "[::1]:9090"),
        ] {
            let yaml = format!("admin: {{ address: {address}, token: env:NOT_SET }}\nrouts: []\n");
            assert_eq!(of(&yaml).unwrap().to_string(), asked);
        }
    }

    #[test]
    fn a_file_without_an_address_to_ask_says_so() {
        for (yaml, why) in [
            ("listen: []", "no admin address"),
            ("admin: { address: here }", "not an address"),
            ("admin: {}", "not an address"),
            ("admin: { address: 127.0.0.1:0 }", "any free port"),
            ("admin: [", "gateway.yaml"),
        ] {
            let Err(Failure::Failed(said)) = of(yaml) else { panic!("{yaml}") };
            assert!(said.contains(why), "{yaml}: {said}");
        }
    }
}
