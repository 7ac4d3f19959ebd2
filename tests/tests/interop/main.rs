//! Other people's programs, and ours: each takes what the other makes, and both refuse what was changed.

#![allow(missing_docs)]

mod credentials;
mod gossip;
mod jose;
mod webvh;
