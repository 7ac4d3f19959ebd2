//! One error for the whole program: a sentence for people and, of whatever the libraries refuse, the
//! stable code with what to do about it.

use gridpass_identity::code::Code;
use std::fmt;

/// Why the story ended early.
#[derive(Debug)]
pub struct Error {
    /// The stable reason; absent where it is none of Gridpass's, such as a file system's.
    pub code: Option<Code>,
    /// The same as a sentence.
    pub sentence: String,
}

/// What the functions of this program give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A reason that no library has a code for.
    pub fn new(sentence: impl fmt::Display) -> Self {
        Self { code: None, sentence: sentence.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{} [{code}]\n{}", self.sentence, code.remedy()),
            None => f.write_str(&self.sentence),
        }
    }
}

impl std::error::Error for Error {}

/// Each error of the libraries has `code()`; a program that looks at none of them by its type takes
/// `&dyn Coded` (`gridpass_identity::code`) in their place.
macro_rules! with_code {
    ($($error:path),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(e: $error) -> Self {
                Self { code: Some(e.code()), sentence: e.to_string() }
            }
        }
    )*};
}

with_code!(
    gridpass_credentials::accepting::AcceptError,
    gridpass_credentials::charter::CharterError,
    gridpass_credentials::content_id::ContentIdError,
    gridpass_credentials::issuing::IssueError,
    gridpass_credentials::keeping::KeepError,
    gridpass_credentials::parcel::ParcelError,
    gridpass_credentials::request::RequestError,
    gridpass_credentials::role::RoleError,
    gridpass_credentials::trust::IdentityMaterialError,
    gridpass_credentials::trust::TrustError,
    gridpass_credentials::verifier::VerifierError,
    gridpass_identity::resolve::ResolveError,
    gridpass_identity::wallet::WalletError,
    gridpass_identity::wallet::store::StoreError,
    gridpass_messaging::bundle::BundleError,
    gridpass_messaging::node::ExportError,
    gridpass_messaging::node::MaterialError,
    gridpass_messaging::node::NodeError,
    gridpass_policy::channel::ChannelError,
);

impl From<gridpass_messaging::node::AskError> for Error {
    fn from(e: gridpass_messaging::node::AskError) -> Self {
        Self { code: Some(e.code), sentence: e.message }
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::new(e)
    }
}
