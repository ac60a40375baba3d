//! Where the listening sockets come from.

use std::net::{SocketAddr, TcpListener};

use super::handover::Inherited;
use super::{RunError, RunOptions};
use crate::config::Config;
use crate::environment;
use crate::gateway::{Bound, adopt, bind};

/// Where listening sockets come from: the older process, the service manager, or nobody; then they are bound.
pub(super) struct Sources {
    pub(super) inherited: Option<Inherited>,
    activated: Vec<TcpListener>,
}

impl Sources {
    /// Asks the older process and the service manager.
    pub(super) async fn find(options: &RunOptions) -> Result<Self, RunError> {
        let (activated, others) = environment::listening_sockets();
        if others > 0 {
            tracing::warn!(target: "sealpost", others, "some of the sockets that were passed on are not TCP listeners: they are not used");
        }
        let inherited = match &options.handover {
            Some(path) => Inherited::ask(path).await.map_err(RunError::Start)?,
            None => None,
        };
        Ok(Self { inherited, activated })
    }

    /// Who listens on none of the same addresses is another gateway whose socket was named by mistake.
    pub(super) fn are_of_this_gateway(&self, config: &Config) -> Result<(), RunError> {
        let Some(inherited) = &self.inherited else { return Ok(()) };
        let addresses = config.listen.iter().map(|listen| listen.address);
        if inherited.has_any(addresses.chain(config.admin.as_ref().map(|admin| admin.address))) {
            return Ok(());
        }
        Err(RunError::Start(format!(
            "the process {} listens on none of these addresses, so it is not relieved: give each gateway a --handover \
             path of its own, or end that process first",
            inherited.pid
        )))
    }

    /// The socket of an address, from wherever it is.
    pub(super) fn bind(&mut self, address: SocketAddr) -> Result<Bound, RunError> {
        let inherited = self.inherited.as_mut().and_then(|inherited| inherited.take(address));
        let at = |socket: &TcpListener| socket.local_addr().is_ok_and(|local| local == address);
        let activated = || {
            let place = self.activated.iter().position(at)?;
            Some(self.activated.remove(place))
        };
        match inherited.or_else(activated) {
            Some(socket) => adopt(socket, address),
            None => bind(address),
        }
        .map_err(RunError::Start)
    }

    /// Further handles of the sockets, by the addresses of the configuration, for the next process. What came from
    /// elsewhere and is not listened on is said.
    pub(super) fn share<'b>(
        &self,
        config: &Config,
        bound: impl Iterator<Item = &'b Bound>,
    ) -> Result<Vec<(SocketAddr, TcpListener)>, RunError> {
        for address in self.inherited.iter().flat_map(Inherited::left) {
            tracing::warn!(target: "sealpost::handover", %address, "the configuration has this address no more: it is closed");
        }
        for address in self.activated.iter().filter_map(|socket| socket.local_addr().ok()) {
            tracing::warn!(target: "sealpost", %address, "a socket was passed on for this address, which the configuration does not have");
        }
        let addresses = config.listen.iter().map(|listen| listen.address);
        let addresses = addresses.chain(config.admin.as_ref().map(|admin| admin.address));
        let shared = addresses.zip(bound).map(|(address, bound)| Ok((address, bound.share()?)));
        shared
            .collect::<std::io::Result<_>>()
            .map_err(|error| RunError::Start(format!("cannot share the listening sockets: {error}")))
    }

    /// The older process is told that it can go, if there is one; who it was.
    pub(super) fn relieve(self) -> Result<Option<(u32, String)>, String> {
        let Some(inherited) = self.inherited else { return Ok(None) };
        let from = (inherited.pid, inherited.version.clone());
        inherited.serving().map(|()| Some(from))
    }
}
