//! The way to a server: its addresses from the URL, `--connect-to`, `--resolve` and DNS, or a tunnel through a proxy.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wss_model::config::{AddressChoice, RouteOptions};
use wss_wire::reach::{first_reachable, in_order_of_attempts};
use wss_wire::target::{Target, TargetError, resolve};
use wss_wire::tunnel::{Credentials, Tunnel, TunnelEnd};

/// Timeout of one attempt to find the address that is used.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The URL, the name in it, or that of the proxy.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// None of the addresses belongs to the requested family.
    #[error("{host} has no {family} address; remove {option}")]
    NoSuchFamily {
        /// The name.
        host: String,
        /// IPv4 or IPv6.
        family: &'static str,
        /// The option that excludes the addresses.
        option: &'static str,
    },
    /// No address accepts a connection.
    #[error("{host} cannot be reached ({attempts}); check that a server listens there")]
    Unreachable {
        /// The name.
        host: String,
        /// Each address, with the reason.
        attempts: String,
    },
    /// The file with the credentials for the proxy cannot be used.
    #[error("cannot use {path} ({reason}); give --proxy-auth-file a text file with USER:PASSWORD")]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Where connections go, and the tunnel that they open there.
#[derive(Debug)]
pub(crate) struct Route {
    /// Of the server or the proxy; at least one.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) tunnel: Option<Tunnel>,
    /// When the server was connected to, to choose one of its addresses; `None` if it was not.
    pub(crate) probed: Option<Instant>,
}

/// The way to a server.
///
/// # Errors
/// If a name has no address, or none accepts a connection.
pub(crate) fn find(target: &Target, options: &RouteOptions) -> Result<Route, RouteError> {
    let Some(proxy) = &options.proxy else {
        return direct(target, options);
    };
    let address = reachable(&proxy.to_string(), &resolve(&proxy.host, proxy.port)?)?;
    let target = redirected(target, options);
    let end = match proxy.kind.resolves_names() {
        true => TunnelEnd::Name(target.host.clone(), target.port),
        false => TunnelEnd::Address(resolved(&target, options)?[0]),
    };
    let credentials = options.proxy_auth_file.as_ref().map(credentials).transpose()?;
    let tunnel = Some(Tunnel { kind: proxy.kind, end, credentials });
    Ok(Route { addresses: vec![address], tunnel, probed: None })
}

fn credentials(path: &PathBuf) -> Result<Credentials, RouteError> {
    let unusable = |reason: String| RouteError::Credentials { path: path.clone(), reason };
    let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let line = text.trim_end_matches(['\r', '\n']);
    let (user, password) = line.split_once(':').ok_or_else(|| unusable("it has no colon".to_owned()))?;
    if line.contains(['\r', '\n']) {
        return Err(unusable("it has more than one line".to_owned()));
    }
    Ok(Credentials { user: user.to_owned(), password: password.to_owned() })
}

/// The way without a proxy: to one address, or with `--addresses all` to all of the name.
///
/// # Errors
/// If the name has none, or none accepts a connection.
fn direct(target: &Target, route: &RouteOptions) -> Result<Route, RouteError> {
    let target = redirected(target, route);
    let found = resolved(&target, route)?;
    if found.len() == 1 || route.addresses == Some(AddressChoice::All) {
        return Ok(Route { addresses: found, tunnel: None, probed: None });
    }
    let address = reachable(&target.host, &found)?;
    Ok(Route { addresses: vec![address], tunnel: None, probed: Some(Instant::now()) })
}

/// The target after `--connect-to`.
fn redirected(target: &Target, route: &RouteOptions) -> Target {
    match route.connect_to.iter().find_map(|entry| entry.redirect(&target.host, target.port)) {
        Some((host, port)) => Target { host, port, ..target.clone() },
        None => target.clone(),
    }
}

/// The address that accepts the first connection; a single one is used as it is.
fn reachable(name: &str, found: &[SocketAddr]) -> Result<SocketAddr, RouteError> {
    if let [only] = found {
        return Ok(*only);
    }
    first_reachable(&in_order_of_attempts(found), CONNECT).map_err(|failures| {
        let attempts: Vec<String> = failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
        RouteError::Unreachable { host: name.to_owned(), attempts: attempts.join(", ") }
    })
}

/// The addresses of a name in the requested family.
fn resolved(target: &Target, route: &RouteOptions) -> Result<Vec<SocketAddr>, RouteError> {
    let entry = route.resolve.iter().find(|entry| entry.applies_to(&target.host, target.port));
    let found: Vec<SocketAddr> = match entry {
        Some(entry) => entry.addresses.iter().map(|address| SocketAddr::new(*address, target.port)).collect(),
        None => target.addresses()?,
    };
    of_family(found, route, &target.host)
}

/// The addresses that `-4` and `-6` leave.
fn of_family(found: Vec<SocketAddr>, route: &RouteOptions, host: &str) -> Result<Vec<SocketAddr>, RouteError> {
    let (ipv4, family, option) = match (route.ipv4, route.ipv6) {
        (true, _) => (true, "IPv4", "-4"),
        (_, true) => (false, "IPv6", "-6"),
        (false, false) => return Ok(found),
    };
    let left: Vec<SocketAddr> = found.into_iter().filter(|address| address.is_ipv4() == ipv4).collect();
    if left.is_empty() {
        return Err(RouteError::NoSuchFamily { host: host.to_owned(), family, option });
    }
    Ok(left)
}
