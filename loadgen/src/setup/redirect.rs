//! Where a server redirects upgrade requests to (`--follow`): one connection per redirection, before the first phase. The
//! connections of the run then go straight to where the redirections end.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;
use wss_model::config::tls::CostSplit;
use wss_model::{ErrorPhase, RunConfig, TlsOptions};
use wss_wire::engine::{Engine, Epoll, before};
use wss_wire::redirection::{self, RedirectionError, shown};
use wss_wire::target::Target;
use wss_wire::transport::{CountedStream, Transport};
use wss_wire::upgrade::{PrefixedStream, Rejection, UpgradeError};
use wss_wire::websocket::{self, Role, SharedStream};

use super::destination::{Server, destination};
use super::{client_tls, route};
use crate::generator::channel::stream_failure;
use crate::generator::destination::Destination;
use crate::generator::failure::Failure;
use crate::generator::handshake::{connect_failure, open_tunnel};
use crate::generator::upgrade;

/// Limit on the closing handshake of the last connection.
const CLOSE: Duration = Duration::from_secs(1);
/// Limit on a message that the server may send before it closes, in bytes.
const MAX_GREETING: usize = 1 << 20;

/// Where the redirections of a server end.
pub(crate) struct Reached {
    pub(crate) target: Target,
    /// The URL where they begin, if there are any.
    pub(crate) from: Option<String>,
    /// Whether all of them stay on the server of the options.
    pub(crate) is_requested: bool,
}

impl Reached {
    /// The URL for the result. A server may have put secrets into the query of a Location.
    pub(crate) fn url(&self) -> String {
        if self.from.is_some() { shown(&self.target) } else { self.target.url() }
    }
}

/// Follows redirections from `target`, as many as `--follow` allows. `ca`: the CA of a server that the run started. A server
/// that does not answer, or refuses, is left to the run, which reports that.
///
/// # Errors
/// If a redirection cannot be followed, or the options do not fit where it leads.
pub(crate) fn follow(config: &RunConfig, target: Target, fields: &str, ca: Option<&str>) -> anyhow::Result<Reached> {
    let limit = config.request.follow;
    let mut reached = Reached { target, from: None, is_requested: true };
    if limit == 0 {
        return Ok(reached);
    }
    let mut visited = vec![reached.target.clone()];
    while let Some(rejection) = ask(config, &reached, fields, ca)? {
        let to = redirection::resolve(&reached.target, rejection.location_reference())?;
        let (from, shown_to) = (shown(&reached.target), shown(&to));
        if visited.contains(&to) {
            return Err(RedirectionError::Loop { from, to: shown_to }.into());
        }
        if visited.len() > usize::from(limit) {
            return Err(RedirectionError::TooMany { from, to: shown_to, limit }.into());
        }
        visited.push(to.clone());
        reached.is_requested &= redirection::is_same_server(&reached.target, &to);
        reached.from.get_or_insert_with(|| visited[0].url());
        reached.target = to;
    }
    as_if_requested(config, &reached.target).check()?;
    Ok(reached)
}

/// The options with the URL where the redirections end, to check those that depend on its layer.
fn as_if_requested(config: &RunConfig, target: &Target) -> RunConfig {
    let mut config = config.clone();
    let url = if config.url.is_some() { &mut config.url } else { &mut config.at };
    *url = Some(target.url());
    config.request.follow = 0;
    config
}

/// Opens a WebSocket and closes it; returns the response if the server redirects instead.
fn ask(config: &RunConfig, reached: &Reached, fields: &str, ca: Option<&str>) -> anyhow::Result<Option<Rejection>> {
    let target = &reached.target;
    let has_tls = target.layer.has_tls();
    let trust = has_tls.then(|| client_tls::trust(&config.trust, ca)).transpose()?;
    let identity = if has_tls { client_tls::identity(config)? } else { None };
    // This handshake is neither logged nor timed, and keeps no session.
    let tls = TlsOptions { key_log: None, cost_split: Some(CostSplit::Off), resume: None, ..config.tls.clone() };
    let config = RunConfig { tls, ..config.clone() };
    let server = Server {
        target,
        is_requested: reached.is_requested,
        route: route::find(target, &config.route)?,
        trust: trust.as_ref(),
        identity: identity.as_ref(),
    };
    let destination = destination(&config, server, fields, 1, None)?;
    let timeout = config.limits.handshake_timeout.0;
    let asked = Epoll::run(|| async {
        let asking = pin!(open_and_close::<Epoll>(&destination));
        before::<Epoll, _>(Instant::now() + timeout, asking).await
    })?;
    match asked {
        Ok(Err(Refused::Response(rejection))) if rejection.is_redirection() => Ok(Some(*rejection)),
        Ok(Ok(()) | Err(_)) | Err(_) => Ok(None),
    }
}

/// Why the WebSocket was not opened.
enum Refused {
    Response(Box<Rejection>),
    /// The run meets the same failure and reports it.
    Failed,
}

impl From<Failure> for Refused {
    fn from(_: Failure) -> Self {
        Self::Failed
    }
}

async fn open_and_close<E: Engine>(destination: &Destination) -> Result<(), Refused> {
    let Some(&address) = destination.addresses.first() else { return Err(Refused::Failed) };
    let mut stream = E::connect(address).await.map_err(|error| connect_failure(address, &error))?;
    if let Some(tunnel) = &destination.tunnel {
        open_tunnel::<E>(tunnel, &mut stream, destination.max_head_size).await?;
    }
    let stream = CountedStream::new(stream);
    let stream = match &destination.tls {
        None => Transport::Plain(stream),
        Some(tls) => {
            let connecting = TlsConnector::from(Arc::new(tls.config.clone())).connect(tls.name.clone(), stream);
            let stream = connecting.await.map_err(|error| stream_failure(ErrorPhase::Tls, error))?;
            Transport::Tls(Box::new(stream.into()))
        }
    };
    // The key need not be random: nothing is cached of a connection that carries no message.
    let request = destination.upgrade_request([0; 16], None);
    match upgrade::open::<E>(stream, &request, destination.http, false).await {
        Ok((stream, opened)) => {
            let _ =
                before::<E, _>(Instant::now() + CLOSE, pin!(close(PrefixedStream::new(stream, opened.leftover)))).await;
            Ok(())
        }
        Err(UpgradeError::Status(rejection)) => Err(Refused::Response(rejection)),
        Err(_) => Err(Refused::Failed),
    }
}

/// The closing handshake. What the server does in it does not matter here.
async fn close<S>(stream: S)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let mut stream = SharedStream::new(stream);
    let (mut reader, mut writer) =
        websocket::after_handshake(stream.clone(), stream.clone(), Role::Client, MAX_GREETING);
    if writer.send_close(1000, "").await.is_ok() {
        let _ = reader.ended().await;
    }
    let _ = stream.shutdown().await;
}
