//! Asking the admin address of a running gateway, and saying what to do when it does not answer.

use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

use crate::cli::args::AdminArguments;
use crate::cli::output::Failure;
use crate::cli::plain::plain;
use crate::cli::{health, known};
use crate::config::{Reference, Source};
use crate::environment::Environment;
use crate::yaml;

/// More than any answer that is not read line by line.
const LONGEST: u64 = 64 * 1024 * 1024;
/// For a connection, and for the beginning of an answer to a question.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a change: one call releases for 20 seconds and then waits for the last upstream.
const LONG_PATIENCE: Duration = Duration::from_secs(180);
/// Where an admin address is unless something else is written.
const USUAL: &str = "http://127.0.0.1:9090";
const USUAL_FILE: &str = "gateway.yaml";

/// The admin address and what it takes to be heard there.
pub(in crate::cli) struct Admin {
    base: String,
    token: Option<String>,
    /// Why the token that the file names could not be had.
    token_missing: Option<String>,
}

/// A parameter and its value.
pub(in crate::cli) type Parameter = (&'static str, String);

impl Admin {
    /// What the command line names, or its file, or the usual place.
    pub(in crate::cli) fn find(arguments: &AdminArguments) -> Result<Self, Failure> {
        let usual = Path::new(USUAL_FILE);
        let file = match (&arguments.admin, &arguments.config) {
            (Some(_), _) => None,
            (None, Some(file)) => Some(file.as_path()),
            (None, None) => usual.exists().then_some(usual),
        };
        let base = match (&arguments.admin, file) {
            (Some(base), _) => base.clone(),
            (None, Some(file)) => health::admin_of(file)?,
            (None, None) => USUAL.to_owned(),
        };
        Self::at(base, arguments.token.as_ref(), file)
    }

    /// This address, with this token or else the one that the file names.
    pub(in crate::cli) fn at(
        base: String,
        token: Option<&Reference>,
        file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let (token, token_missing) = match (token, file.and_then(token_of)) {
            (Some(reference), _) => {
                let secret = Environment::new(Path::new("")).read(reference).map_err(Failure::Failed)?;
                (Some(secret), None)
            }
            (None, Some(Ok(secret))) => (Some(secret), None),
            (None, Some(Err(why))) => (None, Some(why)),
            (None, None) => (None, None),
        };
        let token = token.map(|token| {
            let text = std::str::from_utf8(token.expose()).ok().filter(|text| !text.contains(['\r', '\n']));
            text.map(str::to_owned)
                .ok_or_else(|| Failure::Failed("the token is not one line of text".to_owned()))
        });
        Ok(Self { base, token: token.transpose()?, token_missing })
    }

    /// Where it is.
    pub(in crate::cli) fn base(&self) -> &str {
        &self.base
    }

    /// The answer to a question that is well asked.
    pub(in crate::cli) fn get(&self, path: &str, query: &[Parameter]) -> Result<Value, Failure> {
        let (status, answer) = self.read(self.call(path, query, &Call::default())?)?;
        if status == 200 { Ok(answer) } else { Err(self.refused(status, &answer)) }
    }

    /// The answer to a question that may be refused: its status, and what it says.
    pub(in crate::cli) fn try_get(&self, path: &str) -> Result<(u16, Value), Failure> {
        self.read(self.call(path, &[], &Call::default())?)
    }

    /// Asks for a change.
    pub(in crate::cli) fn post(&self, path: &str, query: &[Parameter]) -> Result<(u16, Value), Failure> {
        let call = Call { change: true, patience: LONG_PATIENCE, ..Call::default() };
        self.read(self.call(path, query, &call)?)
    }

    /// An answer that is read line by line for at most this long; its status is 200.
    pub(in crate::cli) fn open(
        &self,
        path: &str,
        query: &[Parameter],
        last_event_id: Option<&str>,
        longest: Option<Duration>,
    ) -> Result<ureq::BodyReader<'static>, Failure> {
        let call = Call { last_event_id, longest, ..Call::default() };
        let response = self.call(path, query, &call)?;
        if response.status().as_u16() == 200 {
            return Ok(response.into_body().into_reader());
        }
        let (status, answer) = self.read(response)?;
        Err(self.refused(status, &answer))
    }

    /// What an answer other than 200 comes to.
    pub(in crate::cli) fn refused(&self, status: u16, answer: &Value) -> Failure {
        let said = answer.get("error").and_then(Value::as_str).map(plain);
        Failure::Failed(match (status, said) {
            (401, _) => match &self.token_missing {
                Some(why) => format!(
                    "{} wants a token, and the one that the file names cannot be read here ({why}); \
                     give --token env:NAME or file:PATH",
                    self.base
                ),
                None if self.token.is_some() => format!(
                    "{} takes another token than this one; give --token env:NAME or file:PATH with that of its \
                     `admin.token`",
                    self.base
                ),
                None => format!("{} wants a token; give --token env:NAME or file:PATH", self.base),
            },
            (400, Some(said)) => return Failure::Usage(said),
            (_, Some(said)) => said,
            (status, None) => format!("{} answered {status}, and not as a gateway does", self.base),
        })
    }

    fn call(
        &self,
        path: &str,
        query: &[Parameter],
        call: &Call<'_>,
    ) -> Result<Response<ureq::Body>, Failure> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // The environment's proxy is for the way out, not for our own address.
            .proxy(None)
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(call.patience))
            .timeout_recv_body(call.longest)
            .build()
            .into();
        let encoded: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let url = match encoded.is_empty() {
            true => format!("{}{path}", self.base),
            false => format!("{}{path}?{}", self.base, encoded.join("&")),
        };
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let answered = if call.change {
            let mut request = agent.post(&url);
            if let Some(token) = &token {
                request = request.header("authorization", token);
            }
            request.send_empty()
        } else {
            let mut request = agent.get(&url);
            if let Some(token) = &token {
                request = request.header("authorization", token);
            }
            if let Some(last) = call.last_event_id {
                request = request.header("last-event-id", last);
            }
            request.call()
        };
        answered.map_err(|error| {
            Failure::Failed(format!(
                "cannot ask {}: {error}. Does the gateway run, and is this its admin address \
                 (`admin: {{ address: 127.0.0.1:9090 }}` in its file)? --admin HOST:PORT asks another one",
                self.base
            ))
        })
    }

    fn read(&self, response: Response<ureq::Body>) -> Result<(u16, Value), Failure> {
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let bytes = body.with_config().limit(LONGEST).read_to_vec();
        let bytes = bytes
            .map_err(|error| Failure::Failed(format!("the answer of {} broke off: {error}", self.base)))?;
        let answer = serde_json::from_slice(&bytes).ok();
        match answer {
            Some(answer) => Ok((status, answer)),
            None => Err(self.refused(status, &Value::Null)),
        }
    }
}

struct Call<'c> {
    change: bool,
    patience: Duration,
    longest: Option<Duration>,
    last_event_id: Option<&'c str>,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self { change: false, patience: PATIENCE, longest: None, last_event_id: None }
    }
}

/// A delivery's place in the API.
pub(in crate::cli) fn place(id: &str) -> String {
    format!("/api/deliveries/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

/// The token that the file names, if it names one; a file that cannot be read has none.
fn token_of(file: &Path) -> Option<Result<crate::secret::Secret, String>> {
    let root = yaml::parse(&std::fs::read_to_string(file).ok()?).ok()?;
    let reference = known::reference(root.get("admin")?.get("token")?)?;
    Some(Environment::new(file.parent().unwrap_or(Path::new(""))).read(&reference))
}
