//! The codes of errors that say more than their users need to match.

use crate::codes;
use crate::integrity::IntegrityError;
use crate::rdf::RdfError;
use crate::sd_jwt::SdJwtError;
use gridpass_identity::code::Code;

pub(crate) fn integrity(e: &IntegrityError) -> Code {
    match e {
        IntegrityError::Member(_) | IntegrityError::Json(_) => codes::PROOF_MALFORMED,
        IntegrityError::Rdf(e) => rdf(e),
        IntegrityError::Key(e) => e.code(),
    }
}

pub(crate) fn rdf(e: &RdfError) -> Code {
    match e {
        RdfError::UnknownContext(_) => codes::CONTEXT_UNKNOWN,
        RdfError::Expansion(_) => codes::JSON_LD_LOSS,
        RdfError::Graph(_) => codes::JSON_LD_GRAPH,
    }
}

pub(crate) fn sd_jwt(e: &SdJwtError) -> Code {
    match e {
        SdJwtError::Malformed(_) => codes::SD_JWT_MALFORMED,
        SdJwtError::Jws(e) => e.code(),
        SdJwtError::NoSuchClaim(_) => codes::CLAIM_NOT_FOUND,
    }
}
