//! Whether the ports that the node is to listen on are free.
//!
//! Listeners of the TCP transport share their port with whoever asks for the same: two nodes with one
//! port would both start, and each be given half of the connections. So each fixed port is taken once
//! in the ordinary way before, and given back.

use super::NetworkError;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

/// How long a port is waited for: a node that was told to stop has closed its store before its sockets.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// Waits a moment until nobody listens where this node is to.
///
/// # Errors
/// [`NetworkError::Listen`].
pub(crate) async fn check_free(listen: &[Multiaddr]) -> Result<(), NetworkError> {
    let begun = Instant::now();
    loop {
        match listen.iter().find_map(|address| Some((address, taken(address)?))) {
            None => return Ok(()),
            Some((address, why)) if begun.elapsed() >= PATIENCE => {
                let (address, reason) = (address.clone(), why.to_string());
                return Err(NetworkError::Listen { address, reason });
            }
            Some(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Why a fixed port cannot be had, if somebody else has it. Whatever else is wrong with an address is
/// said by who listens on it. What is left of connections that ended is nobody: the standard library
/// sets `SO_REUSEADDR` on listeners, where that means this.
fn taken(address: &Multiaddr) -> Option<Error> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        // Of all addresses the standard library takes those of IPv4, too, which may be another's.
        Protocol::Ip6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let bound = match parts.next()? {
        Protocol::Tcp(port) if port != 0 => TcpListener::bind(SocketAddr::new(ip, port)).map(drop),
        Protocol::Udp(port) if port != 0 => UdpSocket::bind(SocketAddr::new(ip, port)).map(drop),
        _ => return None,
    };
    bound.err().filter(|e| e.kind() == ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_port_is_taken_while_somebody_listens_and_no_longer() {
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        let also = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let [tcp, udp] =
            [held.local_addr(), also.local_addr()].map(|a| a.expect("its address").port());
        let tcp = address(&format!("/ip4/127.0.0.1/tcp/{tcp}"));
        let everywhere = address(&tcp.to_string().replace("127.0.0.1", "0.0.0.0"));
        let udp = address(&format!("/ip4/127.0.0.1/udp/{udp}/quic-v1"));
        for address in [&tcp, &everywhere, &udp] {
            assert!(taken(address).is_some_and(|e| e.to_string().contains("in use")), "{address}");
        }
        // A connection that outlives its listener does not keep the port.
        let connected = TcpStream::connect(held.local_addr().expect("its address"));
        let (accepted, _) = held.accept().expect("it comes");
        drop((held, also));
        for address in [&tcp, &everywhere, &udp] {
            assert!(taken(address).is_none(), "{address}");
        }
        drop((connected, accepted));
        assert!(taken(&tcp).is_none());
    }

    #[test]
    fn only_fixed_ports_of_this_machine_are_looked_at() {
        for text in
            ["/ip4/127.0.0.1/tcp/0", "/dns4/node.example/tcp/4801", "/memory/7", "/ip4/127.0.0.1"]
        {
            assert!(taken(&address(text)).is_none(), "{text}");
        }
        // One that is not this machine's is for who listens on it to refuse.
        assert!(taken(&address("/ip4/192.0.2.1/tcp/4801")).is_none());
    }
}
