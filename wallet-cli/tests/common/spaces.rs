//! Network namespaces joined by bridges, which are in one of their own: nothing of the machine's own
//! network is touched.

use super::network::Network;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The namespaces of a test, counted from 1, and that of the bridges before them.
pub struct Spaces {
    names: Vec<String>,
}

impl Drop for Spaces {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// # Errors
/// A sentence: there is no such command, or it refuses.
fn ip(args: &[&str]) -> Result<(), String> {
    let ran = Command::new("ip").args(args).output().map_err(|e| format!("ip: {e}"))?;
    let why = || format!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&ran.stderr).trim());
    if ran.status.success() { Ok(()) } else { Err(why()) }
}

impl Spaces {
    /// Namespaces for a test, or nothing, said loudly, where they cannot be had. Each bridge joins
    /// some; those that share none cannot reach each other.
    pub fn joined(bridges: &[&[usize]]) -> Option<Self> {
        let why = match Self::make(bridges) {
            Ok(spaces) => return Some(spaces),
            Err(why) => why,
        };
        // Past the test harness, which shows the output only of what fails.
        let line = format!("SKIPPED: a test of a network; no network namespaces: {why}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("said");
        None
    }

    /// # Errors
    /// A sentence: this process may not make them.
    fn make(bridges: &[&[usize]]) -> Result<Self, String> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let (process, made) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut spaces = Self { names: Vec::new() };
        let count = bridges.iter().flat_map(|b| b.iter()).max().copied().unwrap_or_default();
        for n in 0..=count {
            let name = format!("gridpass-{process}-{made}-{n}");
            ip(&["netns", "add", &name])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            spaces.names.push(name);
        }
        let hub = &spaces.names[0];
        for (number, joined) in bridges.iter().enumerate() {
            let (bridge, cable) = (format!("bridge{number}"), format!("cable{number}"));
            ip(&["-n", hub, "link", "add", &bridge, "type", "bridge"])?;
            ip(&["-n", hub, "link", "set", &bridge, "up"])?;
            for space in *joined {
                let (name, port) = (&spaces.names[*space], format!("port{number}-{space}"));
                let address = format!("{}/24", Self::address(number, *space));
                let pair = ["type", "veth", "peer", "name", &port, "netns", hub];
                ip(&[&["-n", name, "link", "add", &cable], &pair[..]].concat())?;
                ip(&["-n", name, "address", "add", &address, "dev", &cable])?;
                ip(&["-n", name, "link", "set", &cable, "up"])?;
                ip(&["-n", hub, "link", "set", &port, "master", &bridge, "up"])?;
            }
        }
        Ok(spaces)
    }

    /// The address of a namespace at a bridge: one as public nodes have, since others are not asked
    /// whether they reach a private one.
    pub fn address(bridge: usize, space: usize) -> Ipv4Addr {
        let byte = |n: usize| u8::try_from(n).expect("few");
        Ipv4Addr::new(11, 77, byte(bridge), byte(space))
    }

    /// Starts a node in a namespace, which listens there at these bridges.
    pub fn start(
        &self,
        network: &mut Network,
        node: &str,
        (space, port): (usize, u16),
        bridges: &[usize],
        more: &[&str],
    ) {
        let listen =
            bridges.iter().map(|b| format!("/ip4/{}/tcp/{port}", Self::address(*b, space)));
        let listen: Vec<String> = listen.flat_map(|a| ["--listen".to_owned(), a]).collect();
        let listen: Vec<&str> = listen.iter().map(String::as_str).collect();
        let program = ["ip", "netns", "exec", &self.names[space]];
        network.start_by(node, &program, &[&listen, more].concat());
    }

    /// Pulls the cable of a namespace at a bridge out, or puts it back.
    pub fn cable(&self, bridge: usize, space: usize, state: &str) {
        let port = format!("port{bridge}-{space}");
        ip(&["-n", &self.names[0], "link", "set", &port, state]).expect("the cable moves");
    }

    /// Whether a namespace has a way to an address.
    pub fn has_route(&self, space: usize, to: Ipv4Addr) -> bool {
        ip(&["-n", &self.names[space], "route", "get", &to.to_string()]).is_ok()
    }

    /// Lets a namespace send to groups, by its cable at a bridge.
    pub fn multicast(&self, bridge: usize, space: usize) {
        let cable = format!("cable{bridge}");
        let route = ["route", "add", "224.0.0.0/4", "dev", &cable];
        ip(&[&["-n", &self.names[space]], &route[..]].concat()).expect("a route");
    }
}
