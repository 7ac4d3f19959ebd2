//! The commands, one module each.

pub mod arguments;
pub mod audit;
pub mod channel;
pub mod charter;
pub mod deactivate;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod generate;
pub mod id;
pub mod init;
pub mod ipfs;
pub mod node;
mod partial;
pub mod policy;
pub mod resolve;
pub mod role;
mod role_version;
pub mod rotate;
pub mod schema;
pub mod seal;
pub mod sign;
pub mod status;
pub mod vc_api;
pub mod visa;
pub mod wallet;
pub mod witness;
