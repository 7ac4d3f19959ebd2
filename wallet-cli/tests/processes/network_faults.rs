//! Real nodes on a network that fails: one of its parts is cut off and comes back; connections are
//! slow and break. What was sent arrives everywhere, once.

use crate::common::network::{Network, Role, until, until_within};
use crate::common::spaces::Spaces;
use crate::common::waiting::{LONG, confirmed, converges, knows, peers};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Lets a node have a ticket of another that runs.
fn join(network: &Network, node: &str, other: &str) {
    let ticket = until("a ticket", || {
        let ran = network.place.run_bare(&["--json", "node", "invite", "--profile", other]);
        (ran.status == 0).then(|| ran.json()["ticket"].as_str().expect("a ticket").to_owned())
    });
    network.place.ok(&["node", "join", &ticket, "--profile", node]);
}

/// South's node and a bidder's are cut off together: first shortly, then longer than a ping waits.
#[test]
fn a_partition_heals_and_everybody_has_everything() {
    let Some(spaces) = Spaces::joined(&[&[1, 2, 3]]) else { return };
    let mut network = Network::new();
    for (name, role) in [
        ("flexgen", Role::Aggregator),
        ("homes", Role::Aggregator),
        ("north", Role::Operator),
        ("south", Role::Operator),
    ] {
        network.participant(name, role);
        network.node(&format!("{name}-1"), name);
    }
    spaces.start(&mut network, "flexgen-1", (1, 4801), &[0], &[]);
    for (node, space) in [("north-1", 2), ("south-1", 3)] {
        join(&network, node, "flexgen-1");
        spaces.start(&mut network, node, (space, 4801), &[0], &[]);
    }
    for other in ["flexgen-1", "south-1"] {
        join(&network, "homes-1", other);
    }
    spaces.start(&mut network, "homes-1", (3, 4802), &[0], &[]);
    let did = |name: &str| network.participant_did(&format!("{name}-1"));
    let (flexgen, north, south) = (did("flexgen"), did("north"), did("south"));
    // Also those who have no ticket of each other.
    for (node, other) in [
        ("flexgen-1", &north),
        ("flexgen-1", &south),
        ("homes-1", &south),
        ("homes-1", &flexgen),
        ("south-1", &north),
    ] {
        until(&format!("{other} at {node}"), || knows(&network, node, other).then_some(()));
    }
    let mut numbers = 0_u64..;
    let mut bids = |node: &str, count: usize| -> Vec<String> {
        numbers.by_ref().take(count).map(|n| network.bid(node, n)).collect()
    };
    let mut sent = [bids("flexgen-1", 3), bids("homes-1", 3)].concat();
    for node in ["north-1", "south-1"] {
        converges(&network, node, &sent);
    }
    let seconds = std::env::var("GRIDPASS_CUT_SECONDS").ok().and_then(|s| s.parse().ok());
    for seconds in [3, seconds.unwrap_or(45)] {
        spaces.cable(0, 3, "down");
        let cut = Instant::now();
        let mut outside = bids("flexgen-1", 5);
        let mut inside = bids("homes-1", 5);
        // Each side has what is said on it, and no more.
        converges(&network, "north-1", &[&sent[..], &outside].concat());
        converges(&network, "south-1", &[&sent[..], &inside].concat());
        std::thread::sleep(Duration::from_secs(seconds).saturating_sub(cut.elapsed()));
        outside.extend(bids("flexgen-1", 5));
        inside.extend(bids("homes-1", 5));
        converges(&network, "north-1", &[&sent[..], &outside].concat());
        converges(&network, "south-1", &[&sent[..], &inside].concat());
        println!(
            "a cut of {:?}; south's at flexgen: {}",
            cut.elapsed(),
            knows(&network, "flexgen-1", &south)
        );
        spaces.cable(0, 3, "up");
        let healed = Instant::now();
        sent = [&sent[..], &outside, &inside].concat();
        for node in ["north-1", "south-1"] {
            converges(&network, node, &sent);
            println!("{node} has all {:?} after it healed", healed.elapsed());
        }
        // Those who sent on one side are told that those on the other have it.
        confirmed(&network, "flexgen-1", &outside, &south);
        confirmed(&network, "homes-1", &inside, &north);
        println!("all is confirmed {:?} after it healed", healed.elapsed());
    }
    for node in ["north-1", "south-1"] {
        converges(&network, node, &sent);
    }
    for node in ["flexgen-1", "homes-1"] {
        assert_eq!(network.inbox(node), Vec::<String>::new(), "{node} may not read bids");
    }
}

/// How long what goes through the proxy takes, each way.
const DELAY: Duration = Duration::from_millis(100);

/// A proxy that delays what it forwards. What is on its way when a connection breaks is lost.
struct Proxy {
    port: u16,
    taken: Arc<AtomicUsize>,
    /// So many of the connections, the first ones, carry nothing any more, and stay open.
    silent: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Its thread waits for a connection: this is the last.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Proxy {
    /// With a seed, it breaks each connection after one to three seconds.
    fn to(target: SocketAddr, mut seed: Option<u64>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (taken, silent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let ended = Arc::new(AtomicBool::new(false));
        let proxy =
            Self { port, taken: taken.clone(), silent: silent.clone(), ended: ended.clone() };
        std::thread::spawn(move || {
            for near in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(target)) else { continue };
                let number = taken.fetch_add(1, Ordering::Relaxed);
                for (from, to) in [(&near, &far), (&far, &near)] {
                    from.set_nodelay(true).expect("no delay but ours");
                    let silent = Arc::clone(&silent);
                    forward(from, to, move || silent.load(Ordering::Relaxed) > number);
                }
                let Some(dice) = &mut seed else { continue };
                // Knuth's generator: its upper half is random enough.
                *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let life = Duration::from_millis(1000 + (*dice >> 32) % 2000);
                std::thread::spawn(move || {
                    std::thread::sleep(life);
                    for stream in [near, far] {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                });
            }
        });
        proxy
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Forwards one way, each piece when its time has come, until either end breaks.
fn forward(from: &TcpStream, to: &TcpStream, is_silent: impl Fn() -> bool + Send + 'static) {
    let mut from = from.try_clone().expect("another handle");
    let mut to = to.try_clone().expect("another handle");
    let (pieces, due) = mpsc::sync_channel::<(Instant, Vec<u8>)>(1024);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if pieces.send((Instant::now() + DELAY, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (when, piece) in due {
            std::thread::sleep(when.saturating_duration_since(Instant::now()));
            if !is_silent() && to.write_all(&piece).is_err() {
                return;
            }
        }
        if !is_silent() {
            let _ = to.shutdown(Shutdown::Write);
        }
    });
}

/// North's node reaches that of an aggregator only through a proxy; its address there comes last.
fn through_a_proxy(seed: Option<u64>) -> (Network, Proxy, String) {
    let mut network = Network::new();
    for (name, role) in [("north", Role::Operator), ("flexgen", Role::Aggregator)] {
        network.participant(name, role);
        network.node(&format!("{name}-1"), name);
    }
    // Nobody is told of an address that leads past the proxy.
    let start = |network: &mut Network, node: &str, more: &str| {
        let config = format!("{node}.toml");
        network.place.write(&config, &format!("[network]\ndiscover = false\n{more}"));
        let more = ["--listen", "/ip4/127.0.0.1/tcp/0", "--config", &config];
        network.start_by(node, &[], &more);
    };
    start(&mut network, "flexgen-1", "");
    let (peer, port) = until("an address", || {
        let status = network.ask("flexgen-1", &["node", "status"]);
        let port = status["listening"].as_array()?.first()?.as_str()?.rsplit('/').next()?;
        Some((status["peer"].as_str()?.to_owned(), port.parse::<u16>().ok()?))
    });
    let proxy = Proxy::to((Ipv4Addr::LOCALHOST, port).into(), seed);
    let through = format!("/ip4/127.0.0.1/tcp/{}", proxy.port);
    start(&mut network, "north-1", &format!("peers = [\"{through}/p2p/{peer}\"]\n"));
    until_within(LONG, "a connection", || (!peers(&network, "flexgen-1").is_empty()).then_some(()));
    (network, proxy, through)
}

#[test]
fn with_loss_of_connections_and_delay_everything_arrives() {
    let seed = std::env::var("GRIDPASS_FAULT_SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("GRIDPASS_FAULT_SEED={seed}");
    let (network, proxy, through) = through_a_proxy(Some(seed));
    let started = Instant::now();
    let mut sent = Vec::new();
    for n in 0..60_u32 {
        // They are spread over as many faults as ten seconds have.
        let when = started + Duration::from_secs(10) * n / 60;
        std::thread::sleep(when.saturating_duration_since(Instant::now()));
        sent.push(network.bid("flexgen-1", n.into()));
        for peer in peers(&network, "north-1") {
            let address = peer["address"].as_str().expect("an address");
            let is_proxy = format!("{address}/").starts_with(&format!("{through}/"));
            assert!(is_proxy, "{address} is not the proxy's");
        }
    }
    println!("{} bids in {:?}, {} connections", sent.len(), started.elapsed(), proxy.taken());
    let took = converges(&network, "north-1", &sent);
    println!("all there {took:?} later, {} connections", proxy.taken());
    let took = confirmed(&network, "flexgen-1", &sent, &network.participant_did("north-1"));
    println!("all confirmed {took:?} later, {} connections", proxy.taken());
    converges(&network, "north-1", &sent);
    // It was what it is said to be: not one good connection.
    assert!(proxy.taken() > 2, "only {} connections", proxy.taken());
}

/// A firewall forgot the connection: nobody is told of its end, and another one would work.
#[test]
fn a_connection_that_falls_silent_is_replaced() {
    let (network, proxy, _) = through_a_proxy(None);
    let mut sent = vec![network.bid("flexgen-1", 1)];
    converges(&network, "north-1", &sent);
    proxy.silent.store(proxy.taken(), Ordering::Relaxed);
    sent.push(network.bid("flexgen-1", 2));
    let took = converges(&network, "north-1", &sent);
    println!("all there {took:?} after it fell silent, {} connections", proxy.taken());
}
