//! What the tests across crates share: the fuzz targets, and the other implementations.
//!
//! [`fuzz`], in: bytes that nobody chose. Out: nothing, or a panic that names the broken invariant. The
//! same functions run under `cargo test` (over the corpus and seeded mutations of it) and under
//! libFuzzer (`tests/fuzz/`).

pub mod channels;
pub mod dice;
pub mod evidence;
pub mod fuzz;
pub mod fuzz_credentials;
pub mod fuzz_messaging;
pub mod fuzz_policy;
pub mod interop;
pub mod logged;
pub mod messages;
pub mod nodes;
pub mod parts;
pub mod sealed;
pub mod simulation;
pub mod world;

/// The project's root.
#[must_use]
pub fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
