//! `listen`, `admin` and `trusted_proxies`: the addresses.

use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::load::Shared;
use super::{AdminConfig, Listen, Reference, TlsFiles};
use crate::yaml::{Cursor, Fields, Problems};

/// Where deliveries are taken.
pub(super) fn listen(fields: &mut Fields<'_, '_>, shared: &mut Shared<'_>) -> Vec<Listen> {
    let Some(cursor) = fields.required("listen", "[{ address: 127.0.0.1:8080 }]") else { return Vec::new() };
    let problems = fields.problems();
    let Some(items) = cursor.items(problems) else { return Vec::new() };
    if items.is_empty() {
        cursor.report(problems, "nothing is listened on; write for example `- address: 127.0.0.1:8080`");
    }
    let mut all: Vec<Listen> = Vec::new();
    for item in &items {
        let Some(listen) = one(item, shared, problems) else { continue };
        if listen.address.port() != 0 && all.iter().any(|other| other.address == listen.address) {
            item.report(problems, format!("{} is listened on twice", listen.address));
        }
        all.push(listen);
    }
    all
}

/// The admin address.
pub(super) fn admin(
    fields: &mut Fields<'_, '_>,
    listen: &[Listen],
    shared: &mut Shared<'_>,
) -> Option<AdminConfig> {
    let mut admin = fields.child("admin")?;
    let address = admin.required("address", "127.0.0.1:9090");
    let address = address.and_then(|cursor| Some((socket_address(&cursor, admin.problems())?, cursor)));
    let token_cursor = admin.optional("token");
    let token = token_cursor.as_ref().and_then(|cursor| shared.secrets.value(cursor, admin.problems()));
    if let (Some(cursor), Some(token)) = (&token_cursor, &token)
        && token.expose().len() < super::secrets::SHORTEST
    {
        cursor.report(&mut shared.warnings, super::secrets::SHORT);
    }
    if let Some((address, cursor)) = &address {
        if !address.ip().is_loopback() && token_cursor.is_none() {
            let message = "anyone who reaches this address could read it; add `token: env:NAME`, or use a loopback address";
            cursor.report(admin.problems(), message);
        }
        if address.port() != 0 && listen.iter().any(|listen| listen.address == *address) {
            cursor.report(admin.problems(), "deliveries are taken on this address; use another port");
        }
    }
    admin.finish();
    Some(AdminConfig { address: address?.0, token })
}

/// Whose `X-Forwarded-For` is believed: networks, or single addresses.
pub(super) fn trusted_proxies(fields: &mut Fields<'_, '_>) -> Vec<IpNet> {
    let items = fields.list("trusted_proxies").unwrap_or_default();
    let problems = fields.problems();
    let mut networks = Vec::new();
    for item in &items {
        let Some(text) = item.text(problems) else { continue };
        match text
            .parse::<IpNet>()
            .or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error))
        {
            Ok(network) if network.network() != network.addr() => {
                let message = format!("bits are set beyond the prefix; write `{}`", network.trunc());
                item.report(problems, message);
            }
            Ok(network) => networks.push(network),
            Err(_) => {
                let message = "not an address or network; write for example `10.0.0.0/8` or `2001:db8::1`";
                item.report(problems, message);
            }
        }
    }
    networks
}

fn one(item: &Cursor<'_>, shared: &mut Shared<'_>, problems: &mut Problems) -> Option<Listen> {
    let mut fields = item.fields(problems)?;
    let address = fields.required("address", "127.0.0.1:8080");
    let address = address.and_then(|cursor| socket_address(&cursor, fields.problems()));
    let h2c = fields.boolean("h2c").unwrap_or(false);
    let has_tls = fields.has("tls");
    let tls = fields.child("tls").and_then(|fields| tls_files(fields, shared));
    if h2c && has_tls {
        fields.report_at(
            "h2c",
            "h2c is HTTP/2 without TLS; with `tls`, HTTP/2 is there anyway: take `h2c` out",
        );
    }
    fields.finish();
    Some(Listen { address: address?, h2c, tls })
}

fn tls_files(mut fields: Fields<'_, '_>, shared: &mut Shared<'_>) -> Option<TlsFiles> {
    let certificate = pem_file(&mut fields, "certificate", "cert.pem", shared);
    let key = pem_file(&mut fields, "key", "key.pem", shared);
    fields.finish();
    Some(TlsFiles { certificate: certificate?, key: key? })
}

/// A path to a file that must be there now; what is in it is read when the listener opens.
fn pem_file(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    example: &str,
    shared: &mut Shared<'_>,
) -> Option<PathBuf> {
    let cursor = fields.required(key, example)?;
    let text = cursor.text(fields.problems())?;
    let path = PathBuf::from(text);
    shared.secrets.fetch(&Reference::File(path.clone()), &cursor, fields.problems())?;
    Some(path)
}

fn socket_address(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<SocketAddr> {
    let text = cursor.text(problems)?;
    let parsed = text.parse::<SocketAddr>();
    if parsed.is_err() {
        let message = match (text.parse::<IpAddr>(), text.strip_prefix(':'), text.strip_prefix("localhost:"))
        {
            (Ok(_), _, _) => "the port is missing; write for example `127.0.0.1:8080`".to_owned(),
            (_, Some(port), _) => format!(
                "the address is missing; write `0.0.0.0:{port}` for all, `127.0.0.1:{port}` for this machine"
            ),
            (_, _, Some(port)) => {
                format!("names are not looked up here; write `127.0.0.1:{port}` or `[::1]:{port}`")
            }
            _ => "not an address and port; write for example `127.0.0.1:8080` or `[::1]:8080`".to_owned(),
        };
        cursor.report(problems, message);
    }
    parsed.ok()
}
