//! Stable reason codes: one table per crate, one vocabulary for all of them.
//!
//! A [`Code`] is what a caller matches, a log line carries, `gridpass explain` looks up and the
//! process exit status is derived from. Its text is written once, here, so that the command
//! line, the reports and the documents cannot disagree.

use std::fmt;

/// What kind of outcome a code stands for. The command line turns it into an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing is wrong.
    Ok,
    /// A defect in Gridpass itself.
    Internal,
    /// The caller asked for something that makes no sense.
    Usage,
    /// The set-up of this machine or profile is at fault.
    Configuration,
    /// A secret is missing or wrong, or another process holds the lock.
    Locked,
    /// The thing named does not exist.
    NotFound,
    /// The network did not answer as it must.
    Network,
    /// Time ran out.
    Timeout,
    /// The thing exists already, or changed underneath.
    Conflict,
    /// A cryptographic or integrity check failed.
    Failed,
    /// Evidence is missing, so nothing can be said.
    Indeterminate,
    /// It was valid, and its time is over.
    Expired,
    /// It was valid, and it was withdrawn.
    Revoked,
    /// It is authentic, but nothing leads from it to an anchor that is trusted.
    Untrusted,
    /// Policy says no.
    Denied,
    /// The bytes do not have the form that they must have.
    Malformed,
}

/// One row of the code table.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CodeEntry {
    /// The stable name, such as `GP-DID-MALFORMED`. Never reused, never renamed.
    pub id: &'static str,
    /// What kind of outcome it is.
    pub class: Class,
    /// One sentence: what was found.
    pub meaning: &'static str,
    /// One sentence: what to do next.
    pub remedy: &'static str,
    /// Whether it passes by itself: the same may be asked again later.
    pub transient: bool,
}

/// A reason code: a pointer to its row. Codes are patterns of a `match`, and keys of maps.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub &'static CodeEntry);

impl Code {
    /// The stable name, such as `GP-DID-MALFORMED`.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.0.id
    }

    /// What kind of outcome the code stands for.
    #[must_use]
    pub fn class(self) -> Class {
        self.0.class
    }

    /// One sentence: what was found.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.0.meaning
    }

    /// One sentence: what to do next.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.0.remedy
    }

    /// Whether nothing was done for a reason that passes by itself: the same may be asked again in a moment, or for a
    /// channel's rate when a minute is over. Whatever else is said stays until somebody does something, as far as a
    /// code can say that.
    #[must_use]
    pub fn is_transient(self) -> bool {
        self.0.transient
    }
}

/// An error of Gridpass, whichever: a sentence for people, and a stable code for programs. Errors of all crates have
/// it, so that a program may take any of them by one function, or keep them as `Box<dyn Coded>`.
///
/// ```
/// use gridpass_identity::code::Coded;
/// use gridpass_identity::did::Did;
///
/// fn log(error: &dyn Coded) -> String {
///     error.told()
/// }
///
/// let refused = Did::parse("did:").expect_err("it names nobody");
/// assert!(log(&refused).contains("[GP-DID-MALFORMED]\n"));
/// ```
pub trait Coded: std::error::Error {
    /// The stable reason code.
    fn code(&self) -> Code;

    /// All that there is to say: the sentence, the code, and what to do next. [`Debug`](fmt::Debug), which a `main`
    /// that returns the error prints, has neither code nor remedy.
    fn told(&self) -> String {
        let code = Coded::code(self);
        format!("{self} [{code}]\n{}", code.remedy())
    }

    /// Whether it helps to ask the same again later: [`Code::is_transient`].
    fn is_transient(&self) -> bool {
        Coded::code(self).is_transient()
    }
}

/// Makes errors that have a `code()` of their own [`Coded`](crate::code::Coded).
#[macro_export]
macro_rules! coded {
    ($($error:ty),* $(,)?) => {$(
        impl $crate::code::Coded for $error {
            fn code(&self) -> $crate::code::Code {
                // The one of the type itself comes before the trait's.
                <$error>::code(self)
            }
        }
    )*};
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// Declares a crate's codes: a constant for each, and `ALL`, the table. After the class of one stands `passes` where it
/// passes by itself.
#[macro_export]
macro_rules! codes {
    (@transient) => { false };
    (@transient passes) => { true };
    ($(
        $name:ident = $id:literal, $class:ident $($passes:ident)?, $meaning:literal,
            $remedy:literal;
    )*) => {
        $(
            #[doc = concat!("`", $id, "`: ", $meaning)]
            pub const $name: $crate::code::Code = $crate::code::Code(&$crate::code::CodeEntry {
                id: $id,
                class: $crate::code::Class::$class,
                meaning: $meaning,
                remedy: $remedy,
                transient: $crate::codes!(@transient $($passes)?),
            });
        )*
        /// Every code of this crate, in the order of the table.
        pub const ALL: &[$crate::code::Code] = &[$($name),*];
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use std::collections::HashMap;

    #[test]
    fn an_error_of_whatever_type_tells_its_code_and_what_to_do() {
        let errors: [Box<dyn Coded>; 2] = [
            Box::new(crate::did::Did::parse("did:").expect_err("names nobody")),
            Box::new(crate::wallet::WalletError::WeakPassphrase),
        ];
        let codes = [codes::DID_MALFORMED, codes::PASSPHRASE_WEAK];
        for (error, code) in errors.iter().zip(codes) {
            assert_eq!(error.code(), code);
            assert!(error.told().ends_with(&format!(" [{code}]\n{}", code.remedy())), "{error}");
        }
    }

    #[test]
    fn what_passes_by_itself_says_so() {
        use crate::wallet::WalletError;
        use crate::wallet::store::StoreError;
        let in_use = WalletError::Store(StoreError::InUse { holder: None });
        assert!(Coded::is_transient(&in_use) && codes::WALLET_IN_USE.is_transient());
        assert!(!Coded::is_transient(&WalletError::WeakPassphrase));
    }

    #[test]
    fn codes_are_patterns_and_keys() {
        let named = |code: Code| match code {
            codes::DID_MALFORMED => "a DID",
            codes::INTERNAL => "a defect",
            _ => "something else",
        };
        assert_eq!(named(codes::DID_MALFORMED), "a DID");
        assert_eq!(named(codes::INTERNAL), "a defect");
        assert_eq!(named(codes::SIGNATURE_INVALID), "something else");
        let counts: HashMap<Code, usize> = codes::ALL.iter().map(|code| (*code, 1)).collect();
        assert_eq!(counts.len(), codes::ALL.len(), "no two are the same");
        assert_eq!(counts.get(&codes::DID_MALFORMED), Some(&1));
    }
}
