//! A history on a branch of the repository that one stands in: it travels with the repository, and no working copy is
//! touched.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// The file's name on the branch, at its root.
const FILE: &str = "history.jsonl";

/// A branch as it was when it was looked at.
pub(super) struct Branch<'a> {
    name: &'a str,
    /// What it points to; `None` of a branch that there is not.
    commit: Option<String>,
    folder: tempfile::TempDir,
}

impl<'a> Branch<'a> {
    /// # Errors
    /// If there is no repository here, or no branch can have the name.
    pub(super) fn look(name: &'a str) -> anyhow::Result<Self> {
        git(&["rev-parse", "--git-dir"], None).context("--branch is for a folder in a git repository")?;
        ensure!(
            git(&["check-ref-format", "--branch", name], None).is_ok(),
            "--branch: no branch can have the name `{name}`"
        );
        let commit = git(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{name}")], None).ok();
        let folder = tempfile::tempdir().context("making a folder for the history of the branch")?;
        let branch = Self { name, commit, folder };
        if let Some(entry) = branch.entry()? {
            let text = raw(&["cat-file", "blob", &entry], None)?;
            std::fs::write(branch.path(), text).context("writing the history of the branch to a temporary file")?;
        }
        Ok(branch)
    }

    /// A copy of its history; there is no such file if the branch has none.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// Its history as git names it: `<commit>:history.jsonl`.
    fn entry(&self) -> anyhow::Result<Option<String>> {
        let Some(commit) = &self.commit else { return Ok(None) };
        let listed = git(&["ls-tree", "--full-tree", "--name-only", commit, FILE], None)?;
        Ok((!listed.is_empty()).then(|| format!("{commit}:{FILE}")))
    }

    fn reference(&self) -> String {
        format!("refs/heads/{}", self.name)
    }

    /// # Errors
    /// If the branch is checked out somewhere: its files would be behind it.
    pub(super) fn check_free(&self) -> anyhow::Result<()> {
        let reference = self.reference();
        let worktrees = git(&["worktree", "list", "--porcelain"], None)?;
        ensure!(
            !worktrees.lines().any(|line| line == format!("branch {reference}")),
            "the branch {} is checked out: its files would be behind it; --file takes the file itself",
            self.name
        );
        Ok(())
    }

    /// Makes a commit with what was added to the copy. What else the branch has stays.
    ///
    /// # Errors
    /// If the branch has moved meanwhile, or git has no name for the author.
    pub(super) fn commit(&self, message: &str) -> anyhow::Result<()> {
        let blob = git(&["hash-object", "-w", "--no-filters", &self.path().to_string_lossy()], None)?;
        let others = match &self.commit {
            Some(commit) => git(&["ls-tree", "--full-tree", commit], None)?,
            None => String::new(),
        };
        let mut tree: Vec<String> =
            others.lines().filter(|line| !line.ends_with(&format!("\t{FILE}"))).map(str::to_owned).collect();
        tree.push(format!("100644 blob {blob}\t{FILE}\n"));
        let tree = git(&["mktree"], Some(&tree.join("\n")))?;
        let mut arguments = vec!["commit-tree", &tree, "-m", message];
        arguments.extend(self.commit.iter().flat_map(|commit| ["-p", commit]));
        let commit = git(&arguments, None)?;
        // Only if it is still where it was: what somebody else has added is not lost.
        let before = self.commit.clone().unwrap_or_else(|| "0".repeat(commit.len()));
        git(&["update-ref", "-m", message, &self.reference(), &commit, &before], None).with_context(|| {
            format!("moving the branch {}, which somebody else may have moved: try again", self.name)
        })?;
        Ok(())
    }
}

/// What a command of git prints, without the end of its last line.
fn git(arguments: &[&str], input: Option<&str>) -> anyhow::Result<String> {
    let printed = String::from_utf8(raw(arguments, input)?).context("reading what git says")?;
    Ok(printed.trim_end_matches('\n').to_owned())
}

fn raw(arguments: &[&str], input: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new("git")
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting git")?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // Small: git reads all of it before it writes.
        stdin.write_all(input.as_bytes()).context("telling git")?;
    }
    let output = child.wait_with_output().context("waiting for git")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().lines().next().unwrap_or("it does not say why").to_owned();
        bail!("git {}: {said}", arguments.first().unwrap_or(&""));
    }
    Ok(output.stdout)
}

/// `perf:history.jsonl`, for people.
pub(super) fn shown(name: &str) -> String {
    format!("{name}:{FILE}")
}
