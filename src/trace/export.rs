//! The way to the collector: a bounded queue and one thread, so that no delivery ever waits for it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ureq::Agent;

use super::{Finished, otlp};
use crate::clock;
use crate::metrics::{Metrics, SpanResult};

/// Requests that wait at most; more are dropped and counted.
const QUEUE: usize = 2048;
/// Requests in one message at most.
const BATCH: usize = 256;
/// How long a request's spans wait for others at most.
const GATHER: Duration = Duration::from_secs(1);
/// For one message, from looking up the collector's name to its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The near end of the queue. Dropped, the thread sends what is left and ends.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: SyncSender<Message>,
    metrics: Metrics,
}

enum Message {
    Request(Box<Finished>),
    /// Everything before it has to be sent; then this end is dropped.
    Flush(SyncSender<()>),
}

impl Exporter {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn start(url: &str, service: &str, metrics: Metrics) -> Result<Self, String> {
        let (queue, waiting) = sync_channel(QUEUE);
        let sender = Sender {
            url: url.to_owned(),
            service: service.to_owned(),
            metrics: metrics.clone(),
            agent: agent(),
            failing: false,
        };
        std::thread::Builder::new()
            .name("sealpost-trace".into())
            .spawn(move || sender.run(&waiting))
            .map_err(|error| format!("cannot start the thread for tracing: {error}"))?;
        Ok(Self { queue, metrics })
    }

    /// Puts a request's spans into the queue, or drops them if it is full.
    pub(super) fn push(&self, finished: Box<Finished>) {
        if self.queue.try_send(Message::Request(finished)).is_err() {
            self.metrics.traced(SpanResult::Dropped, 1);
        }
    }

    /// Waits until everything so far was sent or given up, at most this long. It blocks.
    pub(super) fn flush(&self, within: Duration) {
        let (done, end) = sync_channel(0);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // It ends by being dropped.
            let _ = end.recv_timeout(within);
        }
    }
}

struct Sender {
    url: String,
    service: String,
    metrics: Metrics,
    agent: Agent,
    failing: bool,
}

impl Sender {
    fn run(mut self, waiting: &Receiver<Message>) {
        let mut batch: Vec<Box<Finished>> = Vec::new();
        while let Ok(first) = waiting.recv() {
            let until = clock::monotonic() + GATHER;
            let mut next = Ok(first);
            let mut flushed = None;
            loop {
                match next {
                    Ok(Message::Request(finished)) => batch.push(finished),
                    Ok(Message::Flush(done)) => {
                        flushed = Some(done);
                        break;
                    }
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
                if batch.len() >= BATCH {
                    break;
                }
                next = waiting.recv_timeout(until.saturating_duration_since(clock::monotonic()));
            }
            if !batch.is_empty() {
                self.send(&batch);
                batch.clear();
            }
            drop(flushed);
        }
    }

    /// One try: a collector that is away for long would otherwise only be told of the past.
    fn send(&mut self, batch: &[Box<Finished>]) {
        let message = otlp::message(&self.service, batch);
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let request = self.agent.post(&self.url).header("content-type", "application/json");
        let outcome = match request.send(message) {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(()) => {
                self.metrics.traced(SpanResult::Exported, count);
                self.failing = false;
            }
            Err(why) => {
                self.metrics.traced(SpanResult::Failed, count);
                // Once, until it works again.
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(target: "sealpost::tracing", "spans cannot be sent to {}: {why}", self.url);
                }
            }
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(TIMEOUT))
        .proxy(None)
        .user_agent(concat!("sealpost/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}
