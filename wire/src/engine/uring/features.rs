//! The optional io_uring features that the engine uses.

use std::fmt;
use std::io;

use wss_model::EngineKind;

use crate::engine::EngineError;

/// Environment variable that disables features: names, separated by commas. For measuring what a feature is worth, and
/// for using on a new kernel what an old one supports: `WSSBENCH_URING_WITHOUT=multishot-receive,defer-taskrun`.
pub(super) const WITHOUT: &str = "WSSBENCH_URING_WITHOUT";

/// Names of the features in [`WITHOUT`].
const SINGLE_ISSUER: &str = "single-issuer";
const DEFER_TASKRUN: &str = "defer-taskrun";
const MULTISHOT_RECEIVE: &str = "multishot-receive";
const RECEIVE_CAP: &str = "receive-cap";
const INLINE_SEND: &str = "inline-send";
const NAMES: [&str; 5] = [SINGLE_ISSUER, DEFER_TASKRUN, MULTISHOT_RECEIVE, RECEIVE_CAP, INLINE_SEND];

/// The features in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    pub(super) single_issuer: bool,
    pub(super) defer_taskrun: bool,
    pub(super) multishot_receive: bool,
    /// Of multishot receives.
    pub(super) receive_cap: bool,
    pub(super) inline_send: bool,
}

impl Features {
    /// What Linux 5.19 supports, the oldest kernel that the engine runs on.
    pub(crate) const MINIMAL: Self = Self {
        single_issuer: false,
        defer_taskrun: false,
        multishot_receive: false,
        receive_cap: false,
        inline_send: false,
    };

    #[cfg(test)]
    pub(crate) const ALL: Self = Self {
        single_issuer: true,
        defer_taskrun: true,
        multishot_receive: true,
        receive_cap: true,
        inline_send: true,
    };

    /// The features that are in both sets.
    pub(super) fn intersection(self, other: Self) -> Self {
        Self {
            single_issuer: self.single_issuer && other.single_issuer,
            defer_taskrun: self.defer_taskrun && other.defer_taskrun,
            multishot_receive: self.multishot_receive && other.multishot_receive,
            receive_cap: self.receive_cap && other.receive_cap,
            inline_send: self.inline_send && other.inline_send,
        }
    }

    /// Removes the features that `list` names, and those that depend on them.
    ///
    /// # Errors
    /// If `list` contains an unknown name.
    pub(super) fn without(mut self, list: &str) -> Result<Self, EngineError> {
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                // DEFER_TASKRUN requires SINGLE_ISSUER.
                SINGLE_ISSUER => (self.single_issuer, self.defer_taskrun) = (false, false),
                DEFER_TASKRUN => self.defer_taskrun = false,
                MULTISHOT_RECEIVE => (self.multishot_receive, self.receive_cap) = (false, false),
                RECEIVE_CAP => self.receive_cap = false,
                INLINE_SEND => self.inline_send = false,
                _ => {
                    let cause = io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!("unknown feature `{name}` in {WITHOUT}; use {}", NAMES.join(", ")),
                    );
                    return Err(EngineError::Setup { engine: EngineKind::Uring, cause });
                }
            }
        }
        Ok(self)
    }
}

/// As text, for results and reports.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = match (self.defer_taskrun, self.single_issuer) {
            (true, _) => "DEFER_TASKRUN",
            (false, true) => "COOP_TASKRUN, SINGLE_ISSUER",
            (false, false) => "COOP_TASKRUN",
        };
        let receive = match (self.multishot_receive, self.receive_cap) {
            (true, true) => "capped multishot receive",
            (true, false) => "multishot receive",
            (false, _) => "one-shot receive",
        };
        let send = if self.inline_send { "sends without completion" } else { "sends with completion" };
        write!(f, "{ring}, multishot accept, {receive}, {send}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disabling_a_feature_disables_its_dependants() {
        let all = Features::ALL;
        assert_eq!(all.without("").unwrap(), all);
        assert_eq!(all.without(" inline-send").unwrap(), Features { inline_send: false, ..all });
        let without = all.without("single-issuer,multishot-receive").unwrap();
        assert_eq!(without, Features { inline_send: true, ..Features::MINIMAL });
    }

    #[test]
    fn unknown_feature_name_is_an_error_that_lists_the_names() {
        let error = Features::MINIMAL.without("multishot").unwrap_err().to_string();
        assert!(error.contains("`multishot`") && error.contains("multishot-receive"), "{error}");
    }
}
