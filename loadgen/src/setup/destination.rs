//! What connections of the generator need: [`destination`], for a run and for the search of where a server redirects to.

use std::sync::Arc;

use wss_model::RunConfig;
use wss_model::config::HttpVersion;
use wss_model::config::tls::CostSplit;
use wss_wire::target::Target;
use wss_wire::tls::{Identity, Trust, client_config};
use wss_wire::upgrade::RunNonce;

use super::client_tls::server_name;
use super::request;
use super::route::Route;
use crate::generator::destination::{Destination, TlsDestination};
use crate::generator::upgrade::ALPN_HTTP2;

/// A server and what is known about it.
pub(crate) struct Server<'a> {
    pub(crate) target: &'a Target,
    /// Whether it is the server of the options, to which their credentials and names belong.
    pub(crate) is_requested: bool,
    pub(crate) route: Route,
    /// With TLS.
    pub(crate) trust: Option<&'a Trust>,
    pub(crate) identity: Option<&'a Identity>,
}

/// Where connections to a server go. `fields`: the further fields of the upgrade request; `sessions`: per thread.
///
/// # Errors
/// If no certificate can have the name of the server, or the options leave nothing to negotiate.
pub(crate) fn destination(
    config: &RunConfig,
    server: Server<'_>,
    fields: &str,
    sessions: usize,
    run: Option<RunNonce>,
) -> anyhow::Result<Destination> {
    let Server { target, is_requested, route: Route { addresses, tunnel, .. }, trust, identity } = server;
    let tls =
        trust.map(|trust| tls_destination(config, target, is_requested, trust, identity, sessions)).transpose()?;
    let host = config.request.host.clone().filter(|_| is_requested);
    let fields = if is_requested { Arc::from(fields) } else { request::without_credentials(fields).into() };
    Ok(Destination {
        host: host.unwrap_or_else(|| target.host_field()),
        fields,
        subprotocol: config.subprotocol.clone(),
        http: config.request.http,
        max_head_size: config.limits.max_head_size.bytes(),
        target: target.clone(),
        addresses,
        tunnel,
        tls,
        run,
    })
}

fn tls_destination(
    config: &RunConfig,
    target: &Target,
    is_requested: bool,
    trust: &Trust,
    identity: Option<&Identity>,
    sessions: usize,
) -> anyhow::Result<TlsDestination> {
    let mut options = config.client_tls();
    if config.request.http == HttpVersion::Http2 {
        options.alpn = vec![ALPN_HTTP2.to_owned()];
    }
    let mut names = config.trust.clone();
    names.server_name = names.server_name.filter(|_| is_requested);
    Ok(TlsDestination {
        config: client_config(&options, trust, identity)?,
        name: server_name(&names, &target.host)?,
        timed: options.cost_split() != CostSplit::Off,
        options,
        sessions,
    })
}
