//! Where documents are kept that anybody may have: the node that runs for this profile, its peers, or
//! a Kubo node.

mod kubo;
mod node;

use crate::context::GlobalArgs;
use crate::output::Failure;
use clap::{Args, ValueEnum};
use gridpass_messaging::content::{ContentStore, Kept};

/// Which of the stores that the own node is the way to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Backing {
    /// The node that runs for this profile
    #[default]
    Node,
    /// The peers of that node
    Peers,
}

/// Which store is asked.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Where
    #[arg(long, visible_alias = "from", value_enum, default_value = "node")]
    to: Backing,
    /// At a Kubo node instead, by the address of its RPC, such as http://127.0.0.1:5001
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    kubo: Option<String>,
}

/// Which store is asked, if any is.
#[derive(Args, Clone, Debug)]
pub struct MaybeStoreArgs {
    /// Also publish it, with what it lists, by its CIDs
    #[arg(long, value_enum)]
    to: Option<Backing>,
    /// Also publish it at a Kubo node, by the address of its RPC, such as http://127.0.0.1:5001
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    kubo: Option<String>,
}

type Store = Box<dyn ContentStore>;

fn open(global: &GlobalArgs, to: Backing, kubo: Option<&str>) -> Result<Store, Failure> {
    Ok(match kubo {
        Some(address) => Box::new(kubo::Kubo::at(address)?),
        None => Box::new(node::ByNode::connect(global, to == Backing::Peers)?),
    })
}

impl StoreArgs {
    /// Opens it.
    pub fn open(&self, global: &GlobalArgs) -> Result<Store, Failure> {
        open(global, self.to, self.kubo.as_deref())
    }
}

impl MaybeStoreArgs {
    /// Opens it, where one is named.
    pub fn open(&self, global: &GlobalArgs) -> Result<Option<Store>, Failure> {
        match (self.to, self.kubo.as_deref()) {
            (None, None) => Ok(None),
            (to, kubo) => open(global, to.unwrap_or_default(), kubo).map(Some),
        }
    }
}

/// Who has it, for people.
pub fn kept_at(kept: &Kept) -> String {
    kept.at.iter().map(|at| format!("  at   {}\n", crate::shown::shown(at))).collect()
}
