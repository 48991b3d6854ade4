//! What a run needs before it can start.

pub(crate) mod admin;
pub(crate) mod client_tls;
pub(crate) mod destination;
pub(crate) mod environment;
pub(crate) mod message;
pub(crate) mod preflight;
pub(crate) mod redirect;
pub(crate) mod request;
pub(crate) mod route;
