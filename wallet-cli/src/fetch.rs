//! The one place that uses a network: a DID's files over HTTPS, on an explicit call, recorded
//! with the time at which they were seen.

use crate::codes;
use crate::context::MAX_INPUT;
use crate::output::Failure;
use gridpass_identity::did::Did;
use gridpass_identity::method::{web, webvh};
use gridpass_identity::resolve::Snapshot;
use gridpass_identity::time::UnixMillis;
use std::path::Path;
use std::time::Duration;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Fetches what the method publishes for a DID.
///
/// No redirects, no plain HTTP, at most 16 MiB and 20 seconds: what a DID says of its own
/// location is what counts.
pub fn snapshot(did: &Did, ca_file: Option<&Path>, now: UnixMillis) -> Result<Snapshot, Failure> {
    let agent = agent(ca_file, TIMEOUT)?;
    match did.method() {
        "web" => {
            let document = required(&agent, web::document_url(did)?.as_str())?;
            Ok(Snapshot { seen: now, confirmed: None, document, witness: None })
        }
        "webvh" => {
            let document = required(&agent, webvh::log_url(did)?.as_str())?;
            // There is one only where the log names witnesses; the verifier knows.
            let witness = get(&agent, webvh::witness_url(did)?.as_str())?;
            Ok(Snapshot { seen: now, confirmed: None, document, witness })
        }
        method => Err(Failure::new(
            codes::USAGE,
            format!("there is nothing to fetch for did:{method}: the DID says it all"),
        )
        .next("Leave out --fetch.")),
    }
}

fn agent(ca_file: Option<&Path>, timeout: Duration) -> Result<ureq::Agent, Failure> {
    let roots = match ca_file {
        None => RootCerts::WebPki,
        Some(path) => {
            let pem = crate::context::read_input(path, MAX_INPUT)?;
            let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                let message = format!("{} holds no certificate in PEM form", path.display());
                return Err(Failure::new(codes::FILE_NOT_READ, message));
            }
            RootCerts::new_with_certs(&certificates)
        }
    };
    let tls = TlsConfig::builder().provider(TlsProvider::Rustls).root_certs(roots).build();
    let config = ureq::Agent::config_builder()
        .https_only(true)
        .max_redirects(0)
        .max_redirects_will_error(true)
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .tls_config(tls)
        .build();
    Ok(config.into())
}

fn required(agent: &ureq::Agent, url: &str) -> Result<Vec<u8>, Failure> {
    get(agent, url)?.ok_or_else(|| failed(url, "the server has no such file (404)"))
}

/// `None` where the server says that there is no such file.
fn get(agent: &ureq::Agent, url: &str) -> Result<Option<Vec<u8>>, Failure> {
    let mut response = agent.get(url).call().map_err(|e| not_fetched(url, &e))?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        status => return Err(failed(url, &format!("the server answered with status {status}"))),
    }
    let body = response.body_mut().with_config().limit(MAX_INPUT).read_to_vec();
    body.map(Some).map_err(|e| not_fetched(url, &e))
}

fn not_fetched(url: &str, error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::new(codes::FETCH_TIMEOUT, format!("{url}: {error}")),
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::TimedOut => {
            Failure::new(codes::FETCH_TIMEOUT, format!("{url}: {error}"))
        }
        _ => failed(url, &error.to_string()),
    }
}

fn failed(url: &str, reason: &str) -> Failure {
    Failure::new(gridpass_identity::codes::FETCH_FAILED, format!("{url}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_answers_is_a_timeout() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = server.local_addr().expect("an address").port();
        let agent = agent(None, Duration::from_millis(100)).expect("an agent");
        let failure = get(&agent, &format!("https://localhost:{port}/did.json"));
        let failure = failure.expect_err("nobody answers");
        assert_eq!(failure.code, codes::FETCH_TIMEOUT, "{failure}");
        assert_eq!(codes::exit_status(failure.code.class()), 7);
    }
}
