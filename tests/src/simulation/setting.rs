//! What is simulated: how large, how bad, and from which seed.

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Bids, and may not read.
    Aggregator,
    /// Reads.
    Operator,
    /// Has no visa but one that it gave itself, asks for everything and sends.
    Eavesdropper,
    /// An accredited aggregator who signs two messages with each number.
    Equivocator,
    /// Sends signatures that do not fit.
    Vandal,
    /// Sends as much as it can, of one sort.
    Flooder(Flood),
    /// An accredited operator that takes its places in the mesh and passes nothing on; of catching up
    /// it says that it has what it has, and gives nothing.
    Withholder,
    /// An accredited operator that keeps to the first status list and gives nobody a newer one.
    Laggard,
    /// One of many peer ids of somebody without a visa, which take places.
    Sybil,
    /// One of many nodes of few accredited operators, which take the places around a victim and
    /// withhold.
    Eclipser,
}

/// What a flood is made of. Each message is one that nobody has seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flood {
    /// Valid messages of an accredited aggregator for a zone that it is not accredited for, twenty a
    /// second.
    Denied,
    /// The same, three a second.
    DeniedSlowly,
    /// Well signed, by somebody with a visa from itself, twenty a second.
    Nobody,
    /// Well signed, naming a presentation that nobody can get, twenty a second.
    Unshown,
}

impl Flood {
    /// Between two messages, in milliseconds.
    #[must_use]
    pub fn pause(self) -> u64 {
        match self {
            Self::Denied | Self::Nobody | Self::Unshown => 50,
            Self::DeniedSlowly => 333,
        }
    }
}

impl Kind {
    /// Whether it keeps to the rules.
    #[must_use]
    pub fn is_honest(self) -> bool {
        matches!(self, Self::Aggregator | Self::Operator)
    }

    /// Whether it has a visa that lets it read.
    #[must_use]
    pub fn is_reader(self) -> bool {
        matches!(self, Self::Operator | Self::Withholder | Self::Laggard | Self::Eclipser)
    }

    /// Whether it has a visa that lets it send.
    #[must_use]
    pub fn is_sender(self) -> bool {
        match self {
            Self::Aggregator | Self::Equivocator => true,
            Self::Flooder(flood) => flood != Flood::Nobody,
            _ => false,
        }
    }
}

/// What is taken from the victims of an eclipse, from the second minute to the fourth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eclipse {
    /// The adversaries connect to them, and take what places in the mesh they can get.
    Mesh,
    /// And nobody else reaches them.
    Whole,
}

/// How large, and how bad.
#[derive(Clone, Debug)]
pub struct Setting {
    /// From which everything is made.
    pub seed: u64,
    /// Aggregators. The first is revoked.
    pub aggregators: usize,
    /// Operators. The last is revoked, and the first three are victims of an eclipse or of sybils.
    pub operators: usize,
    /// Adversaries of each kind.
    pub adversaries: Vec<(Kind, usize)>,
    /// Messages of each aggregator.
    pub messages: u64,
    /// How many in a thousand transmissions are lost.
    pub lost_per_mille: u64,
    /// Whether a quarter of the operators go down and come up.
    pub churn: bool,
    /// Whether the network is in two for a minute.
    pub partition: bool,
    /// Whether there is an eclipse.
    pub eclipse: Option<Eclipse>,
    /// Whether who is revoked goes on with messages that it dates before.
    pub backdates: bool,
}

impl Setting {
    /// A market of so many honest nodes; a tenth of them bid, at most forty.
    #[must_use]
    pub fn of(seed: u64, nodes: usize) -> Self {
        let aggregators = nodes.div_ceil(10).min(40);
        Self {
            seed,
            aggregators,
            operators: nodes - aggregators,
            adversaries: Vec::new(),
            messages: 8,
            lost_per_mille: 10,
            churn: false,
            partition: false,
            eclipse: None,
            backdates: false,
        }
    }

    /// The same with nodes that come and go, and a partition.
    #[must_use]
    pub fn troubled(self) -> Self {
        Self { churn: true, partition: true, ..self }
    }

    /// The same with these besides.
    #[must_use]
    pub fn with(mut self, kind: Kind, count: usize) -> Self {
        self.adversaries.push((kind, count));
        self
    }
}

/// How long is traded, in milliseconds.
pub(super) const TRADE: u64 = 300_000;
/// When it ends.
pub(super) const END: u64 = 540_000;
/// When somebody is revoked.
pub const REVOKED: u64 = 150_000;
/// When the network parts.
pub(super) const PARTS: u64 = 60_000;
/// When it heals.
pub(super) const HEALS: u64 = 120_000;
/// From when on adversaries crowd their victims.
pub(super) const CROWDS: u64 = 60_000;
/// Until when.
pub(super) const LEAVES: u64 = 240_000;
/// How many are crowded.
pub(super) const VICTIMS: usize = 3;
/// How many nodes of an eclipse are of one participant: more than a node lets in.
pub(super) const NODES_OF_ONE: usize = 20;
