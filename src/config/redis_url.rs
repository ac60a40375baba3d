//! Where a Redis or Valkey is: every form of its URL.
//!
//! | form | means |
//! |---|---|
//! | `redis://[[user]:password@]host[:6379][/db]` | one server; `rediss://` with TLS; `valkey://` and `valkeys://` alike |
//! | `unix:///path[?user=…&password=…&db=…]` | one server behind a Unix socket; `redis+unix://` alike |
//! | `redis-sentinel://[…@]host[:26379][,host…]/name[/db]` | the master of that name, as these sentinels tell; `rediss-sentinel://` with TLS |
//! | `redis-cluster://[…@]host[:6379][,host…]` | a cluster, known by some of its nodes; `rediss-cluster://` with TLS |

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::secret::Secret;

/// The address of a Redis or Valkey, with what is needed to log in.
#[derive(Clone, Debug)]
pub struct RedisUrl {
    /// Where.
    pub servers: RedisServers,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Who logs in; `None` for the default user.
    pub user: Option<String>,
    /// With what.
    pub password: Option<Secret>,
    /// Who logs in at the sentinels, and with what, if they ask for it.
    pub sentinel_user: Option<String>,
    /// See `sentinel_user`.
    pub sentinel_password: Option<Secret>,
    /// The number of the database.
    pub database: u16,
}

/// A host and its port.
pub type HostPort = (String, u16);

/// One server, or several that are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One.
    One(HostPort),
    /// One behind a Unix socket.
    Socket(PathBuf),
    /// The master of this name, which these sentinels know.
    Sentinels {
        /// Some sentinels, at least one.
        nodes: Vec<HostPort>,
        /// The master's name.
        master: String,
    },
    /// A cluster, by some of its nodes, at least one.
    Cluster(Vec<HostPort>),
}

/// The schemes a URL may have.
pub(super) const SCHEMES: [&str; 10] = [
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+unix",
    "redis-sentinel",
    "rediss-sentinel",
    "redis-cluster",
    "rediss-cluster",
];

impl FromStr for RedisUrl {
    type Err = String;

    /// An error never repeats the text, because it may hold the password.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) =
            text.split_once("://").ok_or("not a URL; write for example `redis://127.0.0.1:6379`")?;
        let scheme = SCHEMES
            .into_iter()
            .find(|known| *known == scheme)
            .ok_or_else(|| format!("not the URL of a Redis: it begins with one of {}", listed()))?;
        if rest.contains(['#', '\\']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("`#`, `\\` and spaces have to be percent-encoded, such as `%23` for `#`".into());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = Query::read(query)?;
        let url = match scheme {
            "unix" | "redis+unix" => socket(rest, query)?,
            "redis-sentinel" | "rediss-sentinel" => sentinels(rest, query)?,
            "redis-cluster" | "rediss-cluster" => cluster(rest, query)?,
            _ => one(rest, query)?,
        };
        let tls = scheme.starts_with("rediss") || scheme == "valkeys";
        Ok(Self { tls, ..url })
    }
}

/// Without what is secret in it.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.tls { "s" } else { "" };
        match &self.servers {
            RedisServers::One(node) => write!(f, "redis{s}://{}", shown(std::slice::from_ref(node))),
            RedisServers::Socket(path) => write!(f, "unix://{}", path.display()),
            RedisServers::Sentinels { nodes, master } => {
                write!(f, "redis{s}-sentinel://{}/{master}", shown(nodes))
            }
            RedisServers::Cluster(nodes) => write!(f, "redis{s}-cluster://{}", shown(nodes)),
        }
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        fn bytes(secret: &Option<Secret>) -> Option<&[u8]> {
            secret.as_ref().map(Secret::expose)
        }
        self.servers == other.servers
            && (self.tls, self.database) == (other.tls, other.database)
            && (&self.user, &self.sentinel_user) == (&other.user, &other.sentinel_user)
            && bytes(&self.password) == bytes(&other.password)
            && bytes(&self.sentinel_password) == bytes(&other.sentinel_password)
    }
}

impl Eq for RedisUrl {}

fn one(rest: &str, query: Query) -> Result<RedisUrl, String> {
    let (login, hosts, path) = split(rest)?;
    let [node] = <[HostPort; 1]>::try_from(nodes(hosts, 6379)?)
        .map_err(|_| "several hosts are a `redis-cluster://` or a `redis-sentinel://`")?;
    query.only_known(&[])?;
    login.at(RedisServers::One(node), database(path)?)
}

fn socket(rest: &str, mut query: Query) -> Result<RedisUrl, String> {
    if !rest.starts_with('/') || rest.ends_with('/') {
        return Err("a Unix socket is written `unix:///run/redis/redis.sock`".into());
    }
    let login = Login { user: query.take("user"), password: query.take("password") };
    let number = query.take("db").unwrap_or_default();
    query.only_known(&[])?;
    login.at(RedisServers::Socket(PathBuf::from(decoded(rest)?)), database(&number)?)
}

fn sentinels(rest: &str, mut query: Query) -> Result<RedisUrl, String> {
    let (login, hosts, path) = split(rest)?;
    let mut nodes = nodes(hosts, 26_379)?;
    nodes.append(&mut query.nodes(26_379)?);
    let named = query.take("sentinelServiceName");
    let (master, number) = match named {
        Some(name) => (name, path),
        None => {
            let (name, number) = path.split_once('/').unwrap_or((path, ""));
            (decoded(name)?, number)
        }
    };
    if master.is_empty() {
        return Err("the master's name is missing: `redis-sentinel://host:26379/mymaster`".into());
    }
    let (sentinel_user, sentinel_password) = (query.take("sentinelUsername"), query.take("sentinelPassword"));
    query.only_known(&[])?;
    let url = login.at(RedisServers::Sentinels { nodes, master }, database(number)?)?;
    Ok(RedisUrl {
        sentinel_user,
        sentinel_password: sentinel_password.map(|text| Secret::new(text.into_bytes())),
        ..url
    })
}

fn cluster(rest: &str, mut query: Query) -> Result<RedisUrl, String> {
    let (login, hosts, path) = split(rest)?;
    let mut nodes = nodes(hosts, 6379)?;
    nodes.append(&mut query.nodes(6379)?);
    query.only_known(&[])?;
    if !matches!(path, "" | "0") {
        return Err("a cluster has only the database 0".into());
    }
    login.at(RedisServers::Cluster(nodes), 0)
}

/// Who logs in.
struct Login {
    user: Option<String>,
    password: Option<String>,
}

impl Login {
    fn at(self, servers: RedisServers, database: u16) -> Result<RedisUrl, String> {
        let given = |text: String| (!text.is_empty()).then_some(text);
        Ok(RedisUrl {
            servers,
            tls: false,
            user: self.user.and_then(given),
            password: self.password.and_then(given).map(|text| Secret::new(text.into_bytes())),
            sentinel_user: None,
            sentinel_password: None,
            database,
        })
    }
}

/// Login, hosts and what follows their slash.
fn split(rest: &str) -> Result<(Login, &str, &str), String> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    if login.contains('@') {
        return Err("an `@` in the user's name or the password has to be written `%40`".into());
    }
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (decoded(user)?, Some(decoded(password)?)),
        None => (decoded(login)?, None),
    };
    Ok((Login { user: Some(user), password }, hosts, path))
}

fn nodes(hosts: &str, port: u16) -> Result<Vec<HostPort>, String> {
    hosts.split(',').map(|host| node(host, port)).collect()
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn node(text: &str, port: u16) -> Result<HostPort, String> {
    let (host, after) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match after.strip_prefix(':') {
        Some(number) => number.parse().ok().filter(|port| *port != 0),
        None => after.is_empty().then_some(port),
    };
    match port {
        Some(port) if !host.is_empty() => Ok((host.to_owned(), port)),
        _ => Err("a server is written `host`, `host:port` or `[::1]:port`".into()),
    }
}

fn database(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| "after the host comes the number of the database, such as `/0`".into())
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| "what is percent-encoded is not UTF-8".into())
}

/// What follows the `?`.
struct Query(Vec<(String, String)>);

impl Query {
    fn read(text: &str) -> Result<Self, String> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(key)?, decoded(value)?))
        });
        pairs.collect::<Result<_, String>>().map(Self)
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(at).1)
    }

    /// Further nodes, `node=host:port` each.
    fn nodes(&mut self, port: u16) -> Result<Vec<HostPort>, String> {
        let mut found = Vec::new();
        while let Some(text) = self.take("node") {
            found.push(node(&text, port)?);
        }
        Ok(found)
    }

    fn only_known(&self, known: &[&str]) -> Result<(), String> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some(_) => Err("something after `?` is not known here".into()),
            None => Ok(()),
        }
    }
}

fn shown(nodes: &[HostPort]) -> String {
    let nodes = nodes.iter().map(|(host, port)| {
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    });
    nodes.collect::<Vec<_>>().join(",")
}

fn listed() -> String {
    SCHEMES.map(|scheme| format!("`{scheme}://`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RedisUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_form_is_read_and_shown_without_its_password() {
        for (text, shown) in [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379"),
            ("redis://:hunter2@cache.internal:7000/3", "redis://cache.internal:7000"),
            ("rediss://me:hunter2@[::1]:6380", "rediss://[::1]:6380"),
            ("valkey://localhost", "redis://localhost:6379"),
            ("valkeys://localhost", "rediss://localhost:6379"),
            ("unix:///run/redis.sock?password=hunter2&db=2", "unix:///run/redis.sock"),
            ("redis+unix:///run/redis.sock", "unix:///run/redis.sock"),
            ("redis-sentinel://:hunter2@a,b:1/mymaster/4", "redis-sentinel://a:26379,b:1/mymaster"),
            (
                "rediss-sentinel://a?node=b:1&sentinelServiceName=main&sentinelPassword=hunter2",
                "rediss-sentinel://a:26379,b:1/main",
            ),
            ("redis-cluster://u:hunter2@a,b:7001,c", "redis-cluster://a:6379,b:7001,c:6379"),
            ("rediss-cluster://a/0", "rediss-cluster://a:6379"),
        ] {
            let url = read(text);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("hunter2"), "{text}");
        }
        let url = read("redis://me:a%40b%2Fc@h/7");
        assert_eq!((url.user.as_deref(), url.database), (Some("me"), 7));
        assert_eq!(url.password.as_ref().map(Secret::expose), Some(&b"a@b/c"[..]));
        assert_eq!(read("redis://:only@h").user, None);
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for text in [
            "",
            "hunter2",
            "http://hunter2",
            "redis:hunter2",
            "redis://",
            "redis://hunter2@",
            "redis://a:hunter2",
            "redis://a:0",
            "redis://a:65536",
            "redis://a/hunter2",
            "redis://a/1/hunter2",
            "redis://a,hunter2",
            "redis://u:hunter2@2@a",
            "redis://a?hunter2=1",
            "redis://a#hunter2",
            "redis://a hunter2",
            "redis://a%ffhunter2@b",
            "unix://hunter2",
            "redis-sentinel://hunter2",
            "redis-sentinel://a/m/hunter2",
            "redis-cluster://a/hunter2",
            "redis-cluster://a,,b",
        ] {
            let error = text.parse::<RedisUrl>().expect_err(text);
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn another_password_is_another_url() {
        assert_eq!(read("redis://:a@h"), read("redis://:a@h/0"));
        assert_ne!(read("redis://:a@h"), read("redis://:b@h"));
    }
}
