//! The negotiation of permessage-deflate (RFC 7692 sections 5 and 7.1), both ends: [`DeflatePolicy`].

use std::fmt;

const NAME: &str = "permessage-deflate";
/// The window that an end has without a parameter, 2^15 bytes.
const DEFAULT_WINDOW_BITS: u8 = 15;
/// The smallest window that zlib can compress with; RFC 7692 allows 8 bits as well.
const MIN_WINDOW_BITS: u8 = 9;

/// What an end asks for or accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflatePolicy {
    /// The maximum window of each end, 2^n bytes, n from 9 to 15.
    pub window_bits: u8,
    /// No end may keep its window from message to message.
    pub no_context_takeover: bool,
}

/// What both ends agreed on: the parameters of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeflateParameters {
    /// The server compresses each message on its own.
    pub server_no_context_takeover: bool,
    /// The client compresses each message on its own.
    pub client_no_context_takeover: bool,
    /// The server's window is at most 2^n bytes, n from 8 to 15.
    pub server_max_window_bits: u8,
    /// The client's window is at most 2^n bytes, n from 8 to 15.
    pub client_max_window_bits: u8,
}

impl fmt::Display for DeflateParameters {
    /// As in a response, without the parameters that have their defaults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        for (given, name) in [
            (self.server_no_context_takeover, "server_no_context_takeover"),
            (self.client_no_context_takeover, "client_no_context_takeover"),
        ] {
            if given {
                write!(f, "; {name}")?;
            }
        }
        for (bits, name) in [
            (self.server_max_window_bits, "server_max_window_bits"),
            (self.client_max_window_bits, "client_max_window_bits"),
        ] {
            if bits != DEFAULT_WINDOW_BITS {
                write!(f, "; {name}={bits}")?;
            }
        }
        Ok(())
    }
}

impl DeflatePolicy {
    /// The client's offer: the value of Sec-WebSocket-Extensions.
    pub(super) fn offer(self) -> String {
        let Self { window_bits, no_context_takeover } = self;
        let mut offer = NAME.to_owned();
        if no_context_takeover {
            offer.push_str("; server_no_context_takeover; client_no_context_takeover");
        }
        // Without a value, the parameter says that the client accepts a limit of its window.
        match window_bits {
            DEFAULT_WINDOW_BITS => offer.push_str("; client_max_window_bits"),
            bits => offer.push_str(&format!("; server_max_window_bits={bits}; client_max_window_bits={bits}")),
        }
        offer
    }

    /// The server's choice among the elements of Sec-WebSocket-Extensions: the first offer of this extension that it can
    /// accept, and the value of the response.
    pub(super) fn accept<'a>(self, offers: impl Iterator<Item = &'a [u8]>) -> Option<(DeflateParameters, String)> {
        offers.filter_map(Element::parse).find_map(|offer| self.accept_offer(&offer))
    }

    fn accept_offer(self, offer: &Element) -> Option<(DeflateParameters, String)> {
        if offer.server_max_window_bits == Some(None) {
            return None; // An offer has to give the value (section 7.1.2.1).
        }
        let server_max_window_bits = offer.server_max_window_bits.flatten().unwrap_or(DEFAULT_WINDOW_BITS);
        if server_max_window_bits < MIN_WINDOW_BITS {
            return None;
        }
        // Only a client that offers it accepts a limit of its window (section 7.1.2.2).
        let client_max_window_bits = match offer.client_max_window_bits {
            Some(bits) => bits.unwrap_or(DEFAULT_WINDOW_BITS).min(self.window_bits),
            None => DEFAULT_WINDOW_BITS,
        };
        let parameters = DeflateParameters {
            server_no_context_takeover: offer.server_no_context_takeover || self.no_context_takeover,
            // A server may ask for it without an offer (section 7.1.1.2).
            client_no_context_takeover: offer.client_no_context_takeover || self.no_context_takeover,
            server_max_window_bits: server_max_window_bits.min(self.window_bits),
            client_max_window_bits,
        };
        let mut response = parameters.to_string();
        // A limit that was offered has to be confirmed, even if it is the default.
        if offer.server_max_window_bits.is_some() && parameters.server_max_window_bits == DEFAULT_WINDOW_BITS {
            response.push_str(&format!("; server_max_window_bits={DEFAULT_WINDOW_BITS}"));
        }
        Some((parameters, response))
    }

    /// The parameters of the response to [`offer`](Self::offer).
    ///
    /// # Errors
    /// Why they are not acceptable (RFC 7692 section 7.1).
    pub(super) fn check_response(self, response: &[u8]) -> Result<DeflateParameters, &'static str> {
        let element = Element::parse(response).ok_or("RFC 7692 does not allow that")?;
        let Element { server_no_context_takeover, client_no_context_takeover, .. } = element;
        let bits = |parameter: Option<Option<u8>>, name| match parameter {
            None => Ok(None),
            Some(Some(bits)) => Ok(Some(bits)),
            Some(None) => Err(name),
        };
        let server_bits = bits(element.server_max_window_bits, "its server_max_window_bits has no value")?;
        let client_bits = bits(element.client_max_window_bits, "its client_max_window_bits has no value")?;
        let parameters = DeflateParameters {
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits: server_bits.unwrap_or(DEFAULT_WINDOW_BITS),
            client_max_window_bits: client_bits.unwrap_or(DEFAULT_WINDOW_BITS).min(self.window_bits),
        };
        if self.no_context_takeover && !server_no_context_takeover {
            return Err("it does not confirm server_no_context_takeover");
        }
        if parameters.server_max_window_bits > self.window_bits {
            return Err("it does not confirm the offered server_max_window_bits");
        }
        if client_bits.is_some_and(|bits| bits > self.window_bits) {
            return Err("its client_max_window_bits exceeds the offered one");
        }
        if parameters.client_max_window_bits < MIN_WINDOW_BITS {
            return Err("zlib cannot compress with a window of 8 bits");
        }
        // The client announced it, whether the server confirms it or not (section 7.1.1.2).
        let client_no_context_takeover = client_no_context_takeover || self.no_context_takeover;
        Ok(DeflateParameters { client_no_context_takeover, ..parameters })
    }
}

/// One element of Sec-WebSocket-Extensions that names this extension. A window without a value is `Some(None)`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Element {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<Option<u8>>,
    client_max_window_bits: Option<Option<u8>>,
}

impl Element {
    /// `None` if the element names another extension, or if a parameter is unknown, repeated or has a value that is not
    /// allowed (RFC 7692 section 7).
    fn parse(element: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(element).ok()?.split(';').map(str::trim);
        if parts.next() != Some(NAME) {
            return None;
        }
        let mut parsed = Self::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(window_bits(value.trim_start())?)),
                None => (part, None),
            };
            let repeated = match name {
                "server_max_window_bits" => parsed.server_max_window_bits.replace(value).is_some(),
                "client_max_window_bits" => parsed.client_max_window_bits.replace(value).is_some(),
                "server_no_context_takeover" if value.is_none() => {
                    std::mem::replace(&mut parsed.server_no_context_takeover, true)
                }
                "client_no_context_takeover" if value.is_none() => {
                    std::mem::replace(&mut parsed.client_no_context_takeover, true)
                }
                _ => return None,
            };
            if repeated {
                return None;
            }
        }
        Some(parsed)
    }
}

/// A decimal number from 8 to 15 without leading zeros; it may be quoted (RFC 6455 section 9.1).
fn window_bits(value: &str) -> Option<u8> {
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_plain = !value.starts_with(['0', '+']);
    value.parse().ok().filter(|bits| is_plain && (8..=DEFAULT_WINDOW_BITS).contains(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: DeflatePolicy = DeflatePolicy { window_bits: 15, no_context_takeover: false };
    const SMALL: DeflatePolicy = DeflatePolicy { window_bits: 10, no_context_takeover: true };

    fn accepted(policy: DeflatePolicy, offers: &str) -> Option<String> {
        policy.accept(offers.split(',').map(|offer| offer.trim().as_bytes())).map(|(_, response)| response)
    }

    #[test]
    fn server_accepts_the_first_offer_that_it_can() {
        for (policy, offers, response) in [
            (ANY, "permessage-deflate", Some("permessage-deflate")),
            (ANY, "permessage-deflate; client_max_window_bits", Some("permessage-deflate")),
            (
                ANY,
                "permessage-deflate; client_max_window_bits=\"10\"; server_no_context_takeover",
                Some("permessage-deflate; server_no_context_takeover; client_max_window_bits=10"),
            ),
            (
                ANY,
                "permessage-deflate;server_max_window_bits=15",
                Some("permessage-deflate; server_max_window_bits=15"),
            ),
            (
                SMALL,
                "permessage-deflate; client_max_window_bits",
                Some(
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                     server_max_window_bits=10; client_max_window_bits=10",
                ),
            ),
            // This client accepts no limit of its window.
            (
                SMALL,
                "permessage-deflate",
                Some(
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
                ),
            ),
            (ANY, "permessage-deflate; server_max_window_bits=8", None),
            (ANY, "permessage-deflate; server_max_window_bits=8, permessage-deflate", Some("permessage-deflate")),
            (ANY, "x-webkit-deflate-frame, permessage-deflate", Some("permessage-deflate")),
            (ANY, "permessage-bzip2", None),
            (ANY, "permessage-deflate; unknown", None),
            (ANY, "permessage-deflate; server_max_window_bits", None),
            (ANY, "permessage-deflate; server_max_window_bits=08", None),
            (ANY, "permessage-deflate; server_max_window_bits=16", None),
            (ANY, "permessage-deflate; server_no_context_takeover=1", None),
            (ANY, "permessage-deflate; client_max_window_bits; client_max_window_bits", None),
            (ANY, "permessage-deflate;", None),
        ] {
            assert_eq!(accepted(policy, offers).as_deref(), response, "{offers}");
        }
    }

    #[test]
    fn client_accepts_only_what_fulfills_its_offer() {
        for (policy, response, problem) in [
            (ANY, "permessage-deflate", None),
            (ANY, "permessage-deflate; client_max_window_bits=9; server_max_window_bits=8", None),
            (ANY, "permessage-deflate; client_no_context_takeover", None),
            (ANY, "permessage-deflate; client_max_window_bits=8", Some("zlib cannot")),
            (ANY, "permessage-deflate; client_max_window_bits", Some("has no value")),
            (ANY, "permessage-deflate; server_max_window_bits", Some("has no value")),
            (ANY, "permessage-deflate; other", Some("does not allow that")),
            (SMALL, "permessage-deflate; server_no_context_takeover; server_max_window_bits=10", None),
            (SMALL, "permessage-deflate; server_max_window_bits=10", Some("server_no_context_takeover")),
            (SMALL, "permessage-deflate; server_no_context_takeover", Some("offered server_max_window_bits")),
            (
                SMALL,
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=11",
                Some("exceeds the offered one"),
            ),
        ] {
            match (policy.check_response(response.as_bytes()), problem) {
                (Ok(_), None) => {}
                (Err(found), Some(problem)) => assert!(found.contains(problem), "{response}: {found}"),
                other => panic!("{response}: {other:?}"),
            }
        }
    }

    #[test]
    fn ends_agree_on_the_same_parameters() {
        for window_bits in 9..=15 {
            for no_context_takeover in [false, true] {
                let client = DeflatePolicy { window_bits, no_context_takeover };
                for server in [ANY, SMALL, client] {
                    let offer = client.offer();
                    let (parameters, response) = server.accept([offer.as_bytes()].into_iter()).unwrap();
                    assert_eq!(client.check_response(response.as_bytes()), Ok(parameters), "{offer} → {response}");
                }
            }
        }
    }
}
