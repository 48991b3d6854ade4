//! Which options exclude or require one another: [`RULES`], one table for the command line and for TOML, for `run` and
//! for `serve`.
//!
//! A rule relates facts. A [`Fact`] is an option that was given, or something that its value implies. Rules that need
//! the values themselves (the version of TLS, the suite and the key) are in [`super::tls`].

mod facts;
mod rules;

use self::facts::GivenOption;
pub use self::facts::{Fact, Facts};
pub use self::rules::RULES;
use super::tls::{TlsOptions, Verify};
use super::{ConfigError, Layer};
use Fact::{Given, NoWebSocket};

/// The facts that a rule is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// Any of these.
    Any(&'static [Fact]),
    /// Any given option under these headings of the help, but for those with the ids in `except`.
    Under {
        /// The headings.
        headings: &'static [&'static str],
        /// The ids of the exceptions.
        except: &'static [&'static str],
    },
}

/// How the subject of a rule relates to other facts.
#[derive(Debug, Clone, Copy)]
pub enum Relation {
    /// None of these may hold.
    Excludes(&'static [Fact]),
    /// At least one of these must hold.
    Requires(&'static [Fact]),
}

/// A rule, and the sentence for those who break it.
#[derive(Debug)]
pub struct Rule {
    /// The name of the rule in `docs/ERRORS.md`; it stays when the wording changes.
    pub code: &'static str,
    /// What the rule is about.
    pub subject: Subject,
    /// What it excludes or requires.
    pub relation: Relation,
    /// The rule applies only if all of these hold.
    pub when: &'static [Fact],
    /// What is wrong. In this text and in the cure, `{option}` is the option, `{layer}` the layer and `{verify}` the
    /// verification.
    pub problem: &'static str,
    /// What to do about it.
    pub cure: &'static str,
    /// Why the rule exists.
    pub reason: &'static str,
}

impl Rule {
    fn sentence(&self, option: &str, layer: Option<Layer>, verify: Verify) -> String {
        let layer = layer.map_or("unknown", Layer::name);
        let text = format!("{}; {}", self.problem, self.cure);
        text.replace("{option}", option).replace("{layer}", layer).replace("{verify}", verify.name())
    }

    /// The sentence for the first option of the rule, on the layer ws.
    pub fn example(&self) -> String {
        let option = match self.subject {
            Subject::Any([Given(id), ..]) => format!("--{}", id.replace('_', "-")),
            Subject::Under { headings: ["Request"], .. } => "--header".to_owned(),
            Subject::Any(_) | Subject::Under { .. } => "--suite".to_owned(),
        };
        let layer = if matches!(self.relation, Relation::Excludes([NoWebSocket])) { Layer::Tls } else { Layer::Ws };
        self.sentence(&option, Some(layer), Verify::None)
    }

    /// The option that breaks the rule, if the rule is broken.
    fn broken_by(&self, facts: &Facts) -> Option<String> {
        let broken = match self.relation {
            Relation::Excludes(others) => others.iter().any(|fact| facts.hold(*fact)),
            Relation::Requires(others) => !others.iter().any(|fact| facts.hold(*fact)),
        };
        if !broken || !self.when.iter().all(|fact| facts.hold(*fact)) {
            return None;
        }
        match self.subject {
            Subject::Any(subjects) => subjects.iter().find(|fact| facts.hold(**fact)).map(|fact| facts.name(*fact)),
            Subject::Under { headings, except } => {
                let under = |given: &&GivenOption| given.heading.as_deref().is_some_and(|it| headings.contains(&it));
                let mut given = facts.given.iter().filter(under);
                given.find(|given| !except.contains(&given.id.as_str())).map(|given| given.name.clone())
            }
        }
    }
}

/// Checks all rules.
///
/// # Errors
/// The first rule that is broken.
pub fn check(facts: &Facts) -> Result<(), ConfigError> {
    for rule in RULES {
        if let Some(option) = rule.broken_by(facts) {
            return Err(ConfigError::Conflict {
                code: rule.code,
                text: rule.sentence(&option, facts.layer, facts.verify),
            });
        }
    }
    Ok(())
}

impl TlsOptions {
    /// Checks the options of a server.
    ///
    /// # Errors
    /// The first option that conflicts with another or has an impossible value.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_versions()?;
        check(&Facts::of_tls(self))?;
        self.check_as_server()
    }
}

#[cfg(test)]
mod tests;
