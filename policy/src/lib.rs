//! gridpass-policy
