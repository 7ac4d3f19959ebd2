//! `/metrics` for Prometheus, and `/ready`: over HTTP, for whoever reaches the address.
//!
//! Few are served at a time, and none for long: who opens connections and says nothing takes no files
//! from the node, which has its log and its peers to open.

use crate::output::Failure;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use gridpass_messaging::node::Node;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// So many are served at a time; others wait.
const AT_A_TIME: usize = 16;
/// For so long at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits where no connection can be taken, such as when no more files may be open.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves a node's figures from now on.
pub async fn serve(address: &str, node: &Node) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(crate::codes::LISTEN, format!("[metrics] listen, {address}: {e}")).next(
            "Change `listen` under `[metrics]` in the node's configuration: 127.0.0.1:0 is any \
             free port, and nothing is served where it is empty.",
        )
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    // Of port 0 nobody else knows which one it became.
    if let Ok(bound) = listener.local_addr() {
        tracing::info!("figures at http://{bound}/metrics");
    }
    let (text, keeps) = (node.metrics(), node.keeps());
    let ready = move || match keeps() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "what comes is not kept [GP-NOT-DURABLE]\n"),
    };
    let router = Router::new()
        .route("/metrics", get(move || std::future::ready(text())))
        .route("/ready", get(move || std::future::ready(ready())));
    tokio::spawn(accept(listener, router));
    Ok(())
}

async fn accept(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    // Nobody closes it: the loop ends with the process.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::debug!("no connection for figures: {e}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let one = http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // Who goes away, or takes too long, is not missed.
            let _ = tokio::time::timeout(PATIENCE, one).await;
            drop(place);
        });
    }
}
