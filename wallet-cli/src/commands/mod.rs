//! The commands, one module each.

pub mod demo;
pub mod doctor;
pub mod explain;
pub mod generate;
pub mod id;
pub mod init;
pub mod resolve;
pub mod rotate;
pub mod seal;
pub mod sign;
pub mod wallet;
pub mod witness;
