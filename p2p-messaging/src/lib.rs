//! gridpass-messaging
