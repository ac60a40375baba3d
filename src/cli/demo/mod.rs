//! `sealpost demo`: a gateway and a receiver in this process, and deliveries through real sockets.
//!
//! It shows the promises being kept and is a self-test: anything that comes out otherwise makes it fail.

mod receiver;
mod report;
mod scenes;
mod sender;

use std::path::PathBuf;
use std::time::Duration;

use crate::reload::ConfigSource;
use crate::serve::{self, RunOptions, Running};

use super::args::DemoArguments;
use super::output::{Failure, Outcome, Paint, print};
use super::run::failure;
use receiver::Receiver;
use sender::Sender;

/// The sender whose deliveries are shown: it signs its send time and its event id.
const PROVIDER: &str = "bella-baxter";

/// Where the demonstration's deliveries go.
const PATH: &str = "/webhooks/demo";

/// Known to everybody who reads this, and good for nothing but this demonstration.
const SECRET: &str = "whsec-sealpost-demo-not-a-secret";

/// Runs every scene and reports.
pub(super) fn execute(arguments: &DemoArguments) -> Outcome {
    let paint = Paint::stdout();
    let receiver =
        Receiver::start().map_err(|error| Failure::Failed(format!("cannot start the receiver: {error}")))?;
    let gateway = gateway(&receiver)?;
    let address = gateway.addresses().first().copied();
    let address = address.ok_or_else(|| Failure::Failed("the gateway listens nowhere".to_owned()))?;
    print(&report::opening(paint, address, receiver.address()))?;

    let sender = Sender::new(address)?;
    let scenes = scenes::play(&sender, &receiver).map_err(Failure::Failed)?;
    let well = scenes.iter().all(scenes::Scene::is_as_promised);
    print(&report::table(paint, &scenes))?;
    print(&report::summary(paint, &scenes, receiver.count()))?;
    if !well {
        return Err(Failure::Failed("something came out otherwise than promised".to_owned()));
    }
    if !arguments.keep {
        return print(&report::next_steps(paint));
    }
    print(&report::keeping(paint, address, gateway.admin()))?;
    while let Some(arrival) = receiver.next() {
        print(&report::arrival(paint, &arrival))?;
    }
    Ok(())
}

fn gateway(receiver: &Receiver) -> Result<Running, Failure> {
    let yaml = format!(
        "listen: [{{ address: 127.0.0.1:0 }}]\n\
         admin: {{ address: 127.0.0.1:0 }}\n\
         routes:\n\
         \x20 - name: demo\n\
         \x20   match: {{ path: {PATH} }}\n\
         \x20   provider: {PROVIDER}\n\
         \x20   secrets: [{{ insecure: \"{SECRET}\" }}]\n\
         \x20   upstream: http://{}\n",
        receiver.address()
    );
    let config = ConfigSource::Text { yaml, folder: PathBuf::from(".") };
    serve::spawn(RunOptions { config, grace: Duration::from_secs(1), threads: Some(2), handover: None })
        .map_err(failure)
}
