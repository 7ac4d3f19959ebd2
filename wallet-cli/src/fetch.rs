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
    let agent = agent(ca_file)?;
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

fn agent(ca_file: Option<&Path>) -> Result<ureq::Agent, Failure> {
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
        .timeout_global(Some(TIMEOUT))
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
    let mut response = agent.get(url).call().map_err(|e| failed(url, &e.to_string()))?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        status => return Err(failed(url, &format!("the server answered with status {status}"))),
    }
    let body = response.body_mut().with_config().limit(MAX_INPUT).read_to_vec();
    body.map(Some).map_err(|e| failed(url, &e.to_string()))
}

fn failed(url: &str, reason: &str) -> Failure {
    Failure::new(gridpass_identity::codes::FETCH_FAILED, format!("{url}: {reason}"))
}
