//! gridpass-credentials
