//! How the process ends: by itself, or relieved by another one.

use std::time::Duration;

use super::Server;
use crate::environment::{self, Told};
use crate::gateway::Phase;

/// How long readiness fails before the listeners close, so that whoever balances the load sees it first.
const LEAVE: Duration = Duration::from_millis(500);

/// How often a process that was relieved looks whether connections are open.
const LOOK: Duration = Duration::from_millis(20);

/// How often in a row it has to see none.
const QUIET: u32 = 5;

impl Server {
    /// Readiness fails, the listeners close, and what is in flight finishes.
    pub(super) async fn leave(&mut self, grace: Duration) {
        tracing::info!(target: "sealpost", in_flight = self.gateway.in_flight(), "leaving: readiness fails, requests in flight finish");
        environment::tell_manager(Told::Stopping);
        self.gateway.enter(Phase::Leaving);
        let leave = async {
            tokio::time::sleep(LEAVE.min(grace / 4)).await;
            self.gateway.enter(Phase::Draining);
            let _ = self.shutdown.send(true);
            self.deliveries.closed().await;
            self.gateway.idle().await;
        };
        if tokio::time::timeout(grace, leave).await.is_err() {
            tracing::warn!(target: "sealpost", in_flight = self.gateway.in_flight(), "the grace period is over, requests in flight are cut");
        }
    }

    /// Another process serves. Open connections get one more answer, which ends them: a sender cannot know that its
    /// request comes late, so it is served and not refused.
    pub(super) async fn finish_relieved(
        &mut self,
        pid: u32,
        told: impl Future<Output = ()>,
        grace: Duration,
    ) {
        tracing::info!(
            target: "sealpost::handover",
            pid, in_flight = self.gateway.in_flight(), connections = self.gateway.connections(),
            "relieved: open connections finish"
        );
        environment::tell_manager(Told::MainProcess(pid));
        self.gateway.enter(Phase::Leaving);
        let _ = self.shutdown.send(true);
        let _ = self.admin_shutdown.send(true);
        let over = tokio::time::sleep(grace);
        let connections = async {
            self.deliveries.closed().await;
            // The last connections to be accepted are counted only when their tasks have begun.
            let mut none = 0;
            while none < QUIET {
                none = if self.gateway.connections() == 0 { none + 1 } else { 0 };
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = connections => return,
            () = over => {}
            // Told to end: nobody waits for connections that are only open.
            () = async { told.await; self.gateway.idle().await } => {}
        }
        if self.gateway.in_flight() > 0 {
            tracing::warn!(target: "sealpost", in_flight = self.gateway.in_flight(), "the grace period is over, requests in flight are cut");
        }
    }
}
