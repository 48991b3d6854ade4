//! The addresses of a server: from the URL, `--connect-to`, `--resolve` and DNS.

use std::net::SocketAddr;
use std::time::Duration;

use wss_model::config::{AddressChoice, RouteOptions};
use wss_wire::reach::{first_reachable, in_order_of_attempts};
use wss_wire::target::{Target, TargetError};

/// Timeout of one attempt to find the address that is used.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The URL or the name.
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
}

/// The addresses that connections go to: one, or with `--addresses all` all of the name.
///
/// # Errors
/// If the name has none, or none accepts a connection.
pub(crate) fn addresses(target: &Target, route: &RouteOptions) -> Result<Vec<SocketAddr>, RouteError> {
    let redirected = route.connect_to.iter().find_map(|entry| entry.redirect(&target.host, target.port));
    let target = match redirected {
        Some((host, port)) => &Target { host, port, ..target.clone() },
        None => target,
    };
    let entry = route.resolve.iter().find(|entry| entry.applies_to(&target.host, target.port));
    let found: Vec<SocketAddr> = match entry {
        Some(entry) => entry.addresses.iter().map(|address| SocketAddr::new(*address, target.port)).collect(),
        None => target.addresses()?,
    };
    let found = of_family(found, route, &target.host)?;
    match route.addresses {
        Some(AddressChoice::All) => Ok(found),
        _ if found.len() == 1 => Ok(found),
        _ => first_reachable(&in_order_of_attempts(&found), CONNECT).map(|address| vec![address]).map_err(|failures| {
            let attempts: Vec<String> = failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
            RouteError::Unreachable { host: target.host.clone(), attempts: attempts.join(", ") }
        }),
    }
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
