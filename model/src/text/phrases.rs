//! Phrases that more than one sentence needs.

use crate::Reason;
use crate::run_result::{Environment, Negotiated, Tool};
use crate::text::quantity::count;

/// Alternatives as a part of a sentence: `a, b or c`.
pub fn alternatives<T: AsRef<str>>(names: &[T]) -> String {
    let Some((last, others)) = names.split_last() else { return "nothing".to_owned() };
    let others: Vec<&str> = others.iter().map(AsRef::as_ref).collect();
    if others.is_empty() { last.as_ref().to_owned() } else { format!("{} or {}", others.join(", "), last.as_ref()) }
}

/// A number and what it counts, which takes an s unless it is one: `1 thread`, `2 threads`.
pub fn pluralize(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Reasons in one line.
pub fn describe_reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}

/// What a handshake was: version, suite, group, certificate and kind. What a version of TLS has not is left out.
pub fn describe_handshake(negotiated: &Negotiated) -> String {
    let Negotiated { version, suite, group, certificate, kind } = negotiated;
    let certificate = if certificate.is_empty() { String::new() } else { format!("{certificate} certificate") };
    let parts = [version, suite, group, &certificate, kind];
    let named: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    one_line(&named.join(", "))
}

/// Where it was measured: CPU, how many, what virtualises them, and the kernel.
pub fn machine(environment: &Environment) -> String {
    let mut parts = vec![environment.cpu_model.clone(), pluralize(environment.cores as u64, "CPU")];
    parts.extend(environment.hypervisor.clone());
    parts.push(format!("Linux {}", environment.kernel));
    parts.join(", ")
}

/// What measured: version, commit and, if it is no release, what that means.
pub fn program(tool: &Tool) -> String {
    let commit = tool.git_commit.as_ref().map_or_else(String::new, |commit| format!(" {:.12}", commit));
    let dirty = if tool.git_dirty == Some(true) { " with uncommitted changes" } else { "" };
    let profile = match tool.profile.as_str() {
        "debug" => " (DEBUG BUILD: several times slower than a release build)",
        "dist" => " (profile dist)",
        _ => "",
    };
    format!("wssbench {}{commit}{dirty}{profile}", tool.version)
}

/// `text` in one line and without control characters: examples of errors quote what a peer sent, and a peer
/// does not get to move the reader's cursor.
pub fn one_line(text: &str) -> String {
    let replaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    replaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_wrote_cannot_steer_the_terminal() {
        assert_eq!(one_line("HTTP/1.1 \u{1b}[31m400\r\n\tno\u{7}"), "HTTP/1.1 [31m400 no");
    }
}
