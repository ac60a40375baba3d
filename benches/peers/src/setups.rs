//! The gateways that are compared, each with one worker thread on one core, and the upstream behind them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::delivery;
use crate::process::{Process, free_address};

/// The gateway's core; load and upstream run on [`LOAD_CORE`].
pub const GATEWAY_CORE: usize = 0;
/// Where the load generator (pinned by scripts/bench) and the upstream run.
pub const LOAD_CORE: usize = 1;

/// Something that takes requests.
pub struct Gateway {
    pub name: &'static str,
    pub process: Process,
    pub address: SocketAddr,
    /// From start to listening.
    pub ready: Duration,
}

/// Where things are.
pub struct Programs {
    pub sealpost: PathBuf,
    pub passthrough: PathBuf,
    pub folder: PathBuf,
}

impl Programs {
    /// nginx that answers every request with 200 and two bytes.
    pub fn upstream(&self) -> io::Result<Gateway> {
        let address = free_address()?;
        let server = format!(
            "server {{ listen {address} backlog=4096 reuseport; location / {{ return 200 \"ok\"; }} }}"
        );
        self.nginx("upstream", LOAD_CORE, address, &server)
    }

    /// nginx that passes every request on and looks at nothing.
    pub fn nginx_proxy(&self, upstream: SocketAddr) -> io::Result<Gateway> {
        let address = free_address()?;
        let server = format!(
            "upstream receiver {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
             server {{
                 listen {address} backlog=4096;
                 location / {{
                     proxy_pass http://receiver;
                     proxy_http_version 1.1;
                     proxy_set_header Connection \"\";
                     proxy_set_header Host $host;
                 }}
             }}"
        );
        self.nginx("nginx proxy_pass", GATEWAY_CORE, address, &server)
    }

    /// nginx that checks the HMAC of the body in Lua, by OpenSSL, as GitHub signs it; it remembers nothing.
    pub fn nginx_lua(&self, upstream: SocketAddr) -> io::Result<Gateway> {
        let address = free_address()?;
        let server = format!(
            "upstream receiver {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
             init_by_lua_block {{
                 ffi = require 'ffi'
                 ffi.cdef[[
                     const void *EVP_sha256(void);
                     unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *d,
                                         size_t n, unsigned char *out, unsigned int *out_len);
                     int CRYPTO_memcmp(const void *a, const void *b, size_t len);
                 ]]
                 sha256, mac, mac_length = ffi.C.EVP_sha256(), ffi.new('unsigned char[32]'), ffi.new('unsigned int[1]')
                 digits, pieces = {{}}, {{}}
                 for byte = 0, 255 do digits[byte] = string.format('%02x', byte) end
                 function hex(bytes)
                     for at = 0, 31 do pieces[at + 1] = digits[bytes[at]] end
                     return table.concat(pieces, '', 1, 32)
                 end
             }}
             server {{
                 listen {address} backlog=4096;
                 location / {{
                     access_by_lua_block {{
                         ngx.req.read_body()
                         local body = ngx.req.get_body_data() or ''
                         ffi.C.HMAC(sha256, '{secret}', {length}, body, #body, mac, mac_length)
                         local wanted = 'sha256=' .. hex(mac)
                         local got = ngx.var.http_x_hub_signature_256 or ''
                         if #got ~= #wanted or ffi.C.CRYPTO_memcmp(got, wanted, #wanted) ~= 0 then
                             return ngx.exit(401)
                         end
                     }}
                     proxy_pass http://receiver;
                     proxy_http_version 1.1;
                     proxy_set_header Connection \"\";
                     proxy_set_header Host $host;
                 }}
             }}",
            secret = delivery::TEXT,
            length = delivery::TEXT.len(),
        );
        self.nginx("nginx with Lua", GATEWAY_CORE, address, &server)
    }

    /// HAProxy that checks the HMAC of the body by its own converters, as GitHub signs it; it remembers nothing.
    pub fn haproxy(&self, upstream: SocketAddr) -> io::Result<Gateway> {
        let address = free_address()?;
        let key = STANDARD.encode(delivery::TEXT);
        let file = self.folder.join("haproxy.cfg");
        fs::write(
            &file,
            format!(
                "global
                    nbthread 1
                    maxconn 8192
                    # The largest body has to fit beside its head, or there is nothing to check.
                    tune.bufsize 1200000
                defaults
                    mode http
                    timeout client 30s
                    timeout server 30s
                    timeout connect 5s
                    http-reuse always
                frontend webhooks
                    bind {address}
                    http-request wait-for-body time 10s
                    http-request set-var(txn.wanted) req.body,hmac(sha256,{key}),hex,lower
                    http-request set-var(txn.got) req.hdr(x-hub-signature-256),bytes(7)
                    http-request deny deny_status 401 unless {{ var(txn.got),secure_memcmp(txn.wanted) }}
                    default_backend receiver
                backend receiver
                    server one {upstream}
"
            ),
        )?;
        let arguments = ["-f", &file.display().to_string(), "-db"].map(String::from);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let log = self.folder.join("haproxy.log");
        let process = Process::start(GATEWAY_CORE, Path::new("haproxy"), &arguments, &[], Some(&log))?;
        ready("HAProxy with HMAC", process, address)
    }

    /// A plain pingora-proxy.
    pub fn pingora_proxy(&self, upstream: SocketAddr) -> io::Result<Gateway> {
        let address = free_address()?;
        let arguments = [address.to_string(), upstream.to_string()];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let process = Process::start(GATEWAY_CORE, &self.passthrough, &arguments, &[], None)?;
        ready("pingora-proxy", process, address)
    }

    /// Sealpost with `extra` more providers and routes than the one that is used.
    pub fn sealpost(
        &self,
        name: &'static str,
        upstream: SocketAddr,
        extra: usize,
        filter: &str,
    ) -> io::Result<Gateway> {
        let address = free_address()?;
        let file = self.folder.join(format!("{}.yaml", name.replace(' ', "-")));
        fs::write(&file, gateway_yaml(address, upstream, extra))?;
        let arguments =
            ["run", &file.display().to_string(), "--threads", "1", "--log", filter].map(String::from);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let environment = [("BENCH_SECRET", &*delivery::secret()), ("BENCH_TEXT", delivery::TEXT)];
        let process = Process::start(GATEWAY_CORE, &self.sealpost, &arguments, &environment, None)?;
        ready(name, process, address)
    }

    fn nginx(
        &self,
        name: &'static str,
        core: usize,
        address: SocketAddr,
        server: &str,
    ) -> io::Result<Gateway> {
        let folder = self.folder.join(name.replace(' ', "-"));
        fs::create_dir_all(&folder)?;
        let at = folder.display();
        // The workers keep this user, so they may write below the folder. Bodies stay in memory: a disk would decide
        // the comparison.
        let user = if is_root() { "user root;" } else { "" };
        // Debian's nginx has Lua as a module of its own; the folder is where the package puts it.
        let modules = if server.contains("lua") {
            "load_module /usr/lib/nginx/modules/ndk_http_module.so; \
             load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;"
        } else {
            ""
        };
        let configuration = format!(
            "{user} {modules}
             worker_processes 1; worker_rlimit_nofile 65536; daemon off; pid {at}/pid; error_log {at}/error.log;
             events {{ worker_connections 16384; }}
             http {{
                 access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
                 client_max_body_size 16m; client_body_buffer_size 2m;
                 client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
                 uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
                 {server}
             }}"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration)?;
        let arguments = ["-c", &file.display().to_string(), "-p", &at.to_string()].map(String::from);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let log = folder.join("output.log");
        let process = Process::start(core, Path::new("nginx"), &arguments, &[], Some(&log))?;
        ready(name, process, address)
    }
}

fn ready(name: &'static str, mut process: Process, address: SocketAddr) -> io::Result<Gateway> {
    let ready = process.wait_for(address)?;
    Ok(Gateway { name, process, address, ready })
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

fn gateway_yaml(address: SocketAddr, upstream: SocketAddr, extra: usize) -> String {
    let mut text = format!(
        "listen: [{{ address: \"{address}\" }}]\nlimits: {{ connections: 20000, buffered: 1024MiB }}\n"
    );
    if extra > 0 {
        text.push_str("providers:\n");
    }
    for number in 0..extra {
        text.push_str(&format!(
            "  own-{number}:\n    signature: {{ header: x-own-signature, encoding: hex }}\n    \
             algorithm: hmac-sha256\n    key: {{ encoding: utf8 }}\n    signed: \"{{body}}\"\n    \
             event: {{ id: json:/id, type: json:/type }}\n"
        ));
    }
    text.push_str("routes:\n");
    for (name, provider, secret) in [
        ("header", "standard-webhooks", "BENCH_SECRET"),
        ("json", "bella-baxter", "BENCH_TEXT"),
        ("body", "github", "BENCH_TEXT"),
    ] {
        text.push_str(&format!(
            "  - name: {name}\n    match: {{ path: /{name} }}\n    provider: {provider}\n    \
             secrets: [env:{secret}]\n    upstream: http://{upstream}\n"
        ));
    }
    for number in 0..extra {
        text.push_str(&format!(
            "  - name: own-{number}\n    match: {{ path: /own/{number} }}\n    provider: own-{number}\n    \
             secrets: [insecure: \"secret-number-{number:08}\"]\n    upstream: http://{upstream}\n"
        ));
    }
    text
}
