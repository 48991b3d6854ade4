//! Redirections of an upgrade request (RFC 9110 section 15.4): where a Location leads, and what may follow there.

use url::Url;
use wss_model::Layer;
use wss_model::config::REDACTED;

use crate::target::Target;

/// Why a redirection is not followed. No text contains the query of a Location, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedirectionError {
    /// The response has no Location.
    #[error("{from} redirects without a Location; fix the server, or give the final URL")]
    NoLocation {
        /// The URL that redirects.
        from: String,
    },
    /// The Location is not a URL that can be connected to.
    #[error(
        "{from} redirects to a Location that is not the URL of a WebSocket ({why}); fix the server, or give the final URL"
    )]
    Invalid {
        /// The URL that redirects.
        from: String,
        /// What is wrong with the Location.
        why: String,
    },
    /// From TLS to plain text.
    #[error("{from} redirects to {to}, which has no TLS, and is not followed; give that URL if you want it")]
    Downgrade {
        /// The URL that redirects.
        from: String,
        /// Where to.
        to: String,
    },
    /// The server redirects to a URL that redirected before.
    #[error("{from} redirects to {to}, which redirected before; fix the loop on the server")]
    Loop {
        /// The URL that redirects.
        from: String,
        /// Where to.
        to: String,
    },
    /// More redirections than are allowed.
    #[error("{from} redirects to {to}, which is more than --follow {limit} allows; raise it, or give that URL")]
    TooMany {
        /// The URL that redirects.
        from: String,
        /// Where to.
        to: String,
        /// `--follow`.
        limit: u8,
    },
}

impl RedirectionError {
    /// The name of the error in `docs/ERRORS.md`; it stays when the wording changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLocation { .. } => "no_location",
            Self::Invalid { .. } => "invalid_location",
            Self::Downgrade { .. } => "downgrade",
            Self::Loop { .. } => "redirection_loop",
            Self::TooMany { .. } => "too_many_redirections",
        }
    }
}

/// Where `from` redirects to, by the value of Location: a URL reference, with `http` and `https` as well as `ws` and `wss`.
///
/// # Errors
/// If there is no Location, or it is not a WebSocket, or has no TLS although `from` has.
pub fn resolve(from: &Target, location: Option<&str>) -> Result<Target, RedirectionError> {
    let location = location.ok_or_else(|| RedirectionError::NoLocation { from: shown(from) })?;
    let invalid = |why: &str| RedirectionError::Invalid { from: shown(from), why: why.to_owned() };
    // The URL standard has no syntax for a zone. Redirections are those of HTTP.
    let base = Target { zone: None, ..from.clone() }.url().replacen("ws", "http", 1);
    let joined = Url::parse(&base).and_then(|base| base.join(location));
    let mut url = joined.map_err(|error| invalid(&error.to_string()))?;
    let scheme = match url.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        other => return Err(invalid(&format!("its scheme is {other}"))),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it has a user name or password"));
    }
    url.set_fragment(None);
    url.set_scheme(scheme).map_err(|()| invalid("its scheme cannot be used"))?;
    let mut to = Target::parse(url.as_str()).map_err(|_| invalid("its host or port cannot be used"))?;
    if to.host == from.host {
        to.zone.clone_from(&from.zone);
    }
    if from.layer == Layer::Wss && to.layer == Layer::Ws {
        return Err(RedirectionError::Downgrade { from: shown(from), to: shown(&to) });
    }
    Ok(to)
}

/// The URL of a target without its query.
pub fn shown(target: &Target) -> String {
    match target.path.split_once('?') {
        None => target.url(),
        Some((path, _)) => format!("{}?{REDACTED}", Target { path: path.to_owned(), ..target.clone() }.url()),
    }
}

/// Whether what authenticates the user to `from` may be sent to `to`: the same host and port, or the same host where
/// `http` becomes `https` on the default ports.
pub fn is_same_server(from: &Target, to: &Target) -> bool {
    let secured = (from.layer, from.port, to.layer, to.port) == (Layer::Ws, 80, Layer::Wss, 443);
    from.host == to.host && from.zone == to.zone && (from.port == to.port || secured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    #[test]
    fn locations_resolve_as_references() {
        for (from, location, to) in [
            ("ws://a.test/old?x=1", "/new", "ws://a.test:80/new"),
            ("ws://a.test/dir/old", "new?y=2", "ws://a.test:80/dir/new?y=2"),
            ("ws://a.test:8080/", "https://b.test/ws#part", "wss://b.test:443/ws"),
            ("wss://a.test/", "//b.test:9/", "wss://b.test:9/"),
            ("wss://a.test/", "wss://[::1]:9/x", "wss://[::1]:9/x"),
            ("ws://[fe80::1%25lo]:9/", "/next", "ws://[fe80::1%25lo]:9/next"),
        ] {
            assert_eq!(resolve(&target(from), Some(location)).unwrap().url(), to, "{from} {location}");
        }
    }

    #[test]
    fn impossible_locations_are_refused_without_their_query() {
        let from = target("wss://a.test/?token=secret");
        for (location, part) in [
            (None, "redirects without a Location"),
            (Some("http://a.test/?token=secret"), "redirects to ws://a.test:80/?(redacted), which has no TLS"),
            (Some("ftp://a.test/?token=secret"), "its scheme is ftp"),
            (Some("https://user:secret@a.test/"), "it has a user name or password"),
            (Some("https://a.test:0/secret"), "its host or port cannot be used"),
            (Some("https://:secret"), "is not the URL of a WebSocket"),
        ] {
            let error = resolve(&from, location).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{location:?}: {error}");
        }
    }

    #[test]
    fn only_the_same_server_keeps_credentials() {
        let same = |from: &str, to: &str| is_same_server(&target(from), &target(to));
        assert!(same("wss://a.test/x", "wss://a.test/y"));
        assert!(same("ws://a.test/", "wss://a.test/"));
        assert!(!same("wss://a.test/", "wss://b.test/"));
        assert!(!same("wss://a.test/", "wss://a.test:8443/"));
        assert!(!same("ws://a.test:8080/", "wss://a.test/"));
    }
}
