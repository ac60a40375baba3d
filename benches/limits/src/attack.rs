//! The attacks, in a process of their own.

use std::cell::Cell;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::http::{delivery, message};

const CONNECTIONS: usize = 5000;
const FORGERIES: u64 = 100_000;
/// How many connections carry the forgeries, each one request after the other.
const FORGERS: usize = 64;
/// Within this time they are all there: an attacker's connections do not come in one moment either.
const ARRIVE_WITHIN: Duration = Duration::from_secs(5);
/// A half-sent body: what is declared, and how much of it comes.
const DECLARED: usize = 64 * 1024;
const SENT: usize = 32 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    Nothing,
    Trickle,
    HalfSent,
    Forgeries,
    All,
}

impl Attack {
    pub(crate) const ALL: [Self; 5] =
        [Self::Nothing, Self::Trickle, Self::HalfSent, Self::Forgeries, Self::All];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Trickle => "trickle",
            Self::HalfSent => "half-sent",
            Self::Forgeries => "forgeries",
            Self::All => "all",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Trickle => "5,000 connections trickle a head, one byte a second",
            Self::HalfSent => "5,000 bodies of 64 KiB, half sent",
            Self::Forgeries => "100,000 forgeries as fast as they are answered",
            Self::All => "all three at once",
        }
    }

    fn includes(self, other: Self) -> bool {
        self == other || self == Self::All
    }
}

/// The running attacker.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(attack: Attack, address: SocketAddr, lasts: Duration) -> Self {
        let child = Command::new("nice")
            .args(["-n", "10"])
            .arg(std::env::current_exe().unwrap())
            .args(["attack", attack.name(), &address.to_string(), &lasts.as_secs().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// What it says at its end.
    pub(crate) async fn told(self) -> String {
        let output = tokio::task::spawn_blocking(|| self.0.wait_with_output().unwrap()).await.unwrap();
        assert!(output.status.success(), "the attacker failed: {}", output.status);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

#[derive(Default)]
struct Counts {
    opened: Cell<u64>,
    open: Cell<u64>,
    most: Cell<u64>,
    forged: Cell<u64>,
    refused: Cell<u64>,
    took: Cell<Duration>,
}

/// `attack NAME ADDRESS SECONDS`: attacks for so long, then drops everything.
pub(crate) async fn run(arguments: &[String]) {
    let [name, address, seconds] = arguments else { panic!("attack NAME ADDRESS SECONDS") };
    let attack = *Attack::ALL.iter().find(|attack| attack.name() == name).expect("the name of an attack");
    let address: SocketAddr = address.parse().unwrap();
    let until = Instant::now() + Duration::from_secs(seconds.parse().unwrap());
    let counts = Rc::<Counts>::default();
    let local = LocalSet::new();
    if attack.includes(Attack::Trickle) {
        for number in 0..CONNECTIONS {
            local.spawn_local(again(number, address, until, counts.clone(), trickle));
        }
    }
    if attack.includes(Attack::HalfSent) {
        for number in 0..CONNECTIONS {
            local.spawn_local(again(number, address, until, counts.clone(), half_sent));
        }
    }
    if attack.includes(Attack::Forgeries) {
        for _ in 0..FORGERS {
            local.spawn_local(forge(address, until, counts.clone()));
        }
    }
    local.run_until(tokio::time::sleep_until(until)).await;
    let mut told = Vec::new();
    if counts.opened.get() > 0 {
        told.push(format!("{} connections, {} at once", counts.opened.get(), counts.most.get()));
    }
    if counts.refused.get() > 0 {
        let rate = counts.refused.get() as f64 / counts.took.get().as_secs_f64();
        told.push(format!("{} refused, {rate:.0}/s", counts.refused.get()));
    }
    println!("{}", told.join("; "));
}

/// One connection after the other, each used by `how` until the gateway ends it.
async fn again(
    number: usize,
    address: SocketAddr,
    until: Instant,
    counts: Rc<Counts>,
    how: impl AsyncFn(&mut TcpStream) -> std::io::Result<()>,
) {
    let share = u32::try_from(number).unwrap();
    tokio::time::sleep(ARRIVE_WITHIN * share / u32::try_from(CONNECTIONS).unwrap()).await;
    while Instant::now() < until {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        counts.opened.set(counts.opened.get() + 1);
        counts.open.set(counts.open.get() + 1);
        counts.most.set(counts.most.get().max(counts.open.get()));
        let _ = how(&mut stream).await;
        counts.open.set(counts.open.get() - 1);
    }
}

async fn trickle(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = b"POST /hook HTTP/1.1\r\nHost: hooks.example.com\r\nX-Long: ".to_vec();
    head.resize(10_000, b'x');
    for byte in head {
        stream.write_all(&[byte]).await?;
        let mut answer = [0; 512];
        // An answer or the end is the end of it; nothing within a second, and the next byte goes.
        if let Ok(read) = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
            return read.map(drop);
        }
    }
    Ok(())
}

async fn half_sent(stream: &mut TcpStream) -> std::io::Result<()> {
    let (head, body) = delivery("half", DECLARED, true);
    stream.write_all(&head).await?;
    stream.write_all(&body[..SENT]).await?;
    let mut answer = [0; 512];
    stream.read(&mut answer).await.map(drop)
}

async fn forge(address: SocketAddr, until: Instant, counts: Rc<Counts>) {
    let began = Instant::now();
    let (head, body) = delivery("forged", 2048, false);
    let request = [head, body].concat();
    let mut connection = None;
    while Instant::now() < until && counts.forged.get() < FORGERIES {
        counts.forged.set(counts.forged.get() + 1);
        let (mut stream, mut read) = match connection.take() {
            Some(one) => one,
            None => match TcpStream::connect(address).await {
                Ok(stream) => (stream, Vec::new()),
                Err(_) => continue,
            },
        };
        if stream.write_all(&request).await.is_err() {
            continue;
        }
        match message(&mut stream, &mut read).await {
            Some(line) if line.contains(" 401 ") => {
                counts.refused.set(counts.refused.get() + 1);
                counts.took.set(began.elapsed());
                connection = Some((stream, read));
            }
            Some(line) => panic!("a forgery got {line}"),
            None => {}
        }
    }
}
