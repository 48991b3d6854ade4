//! A history on a branch of the current repository: it is shared with the repository, and the working copy is not
//! touched.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// Name of the file at the root of the branch.
const FILE: &str = "history.jsonl";

/// A branch as it was when it was read.
pub(super) struct Branch<'a> {
    name: &'a str,
    /// The commit it points to; `None` if it does not exist.
    commit: Option<String>,
    folder: tempfile::TempDir,
}

impl<'a> Branch<'a> {
    /// # Errors
    /// Outside a repository, or if the name is not valid for a branch.
    pub(super) fn read(name: &'a str) -> anyhow::Result<Self> {
        git(&["rev-parse", "--git-dir"], None)
            .context("--branch requires a git repository; run the command inside one")?;
        ensure!(
            git(&["check-ref-format", "--branch", name], None).is_ok(),
            "--branch: `{name}` is not a valid name for a branch"
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

    /// A copy of its history; the file does not exist if the branch has none.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// Its history in git's notation: `<commit>:history.jsonl`.
    fn entry(&self) -> anyhow::Result<Option<String>> {
        let Some(commit) = &self.commit else { return Ok(None) };
        let listed = git(&["ls-tree", "--full-tree", "--name-only", commit, FILE], None)?;
        Ok((!listed.is_empty()).then(|| format!("{commit}:{FILE}")))
    }

    fn reference(&self) -> String {
        format!("refs/heads/{}", self.name)
    }

    /// # Errors
    /// If the branch is checked out somewhere, so that its working copy would be outdated, or if git has no author for the commit.
    pub(super) fn check_writable(&self) -> anyhow::Result<()> {
        for identity in ["GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"] {
            git(&["var", identity], None).context(
                "git has no author for the commit; run git config user.name NAME and git config \
                 user.email ADDRESS",
            )?;
        }
        let reference = self.reference();
        let worktrees = git(&["worktree", "list", "--porcelain"], None)?;
        ensure!(
            !worktrees.lines().any(|line| line == format!("branch {reference}")),
            "the branch {} is checked out, and a commit would leave its working copy outdated; use --file with the file itself",
            self.name
        );
        Ok(())
    }

    /// Commits the copy to the branch, whose other files stay.
    ///
    /// # Errors
    /// If the branch has moved meanwhile.
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
        // Only if the branch has not moved, so that no commit of somebody else is lost.
        let before = self.commit.clone().unwrap_or_else(|| "0".repeat(commit.len()));
        git(&["update-ref", "-m", message, &self.reference(), &commit, &before], None).with_context(|| {
            format!("cannot move the branch {}, which may have changed meanwhile; try again", self.name)
        })?;
        Ok(())
    }
}

/// The output of a git command, without the final newline.
fn git(arguments: &[&str], input: Option<&str>) -> anyhow::Result<String> {
    let printed = String::from_utf8(raw(arguments, input)?).context("reading the output of git")?;
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
        // The input is small enough for the pipe.
        stdin.write_all(input.as_bytes()).context("writing to git")?;
    }
    let output = child.wait_with_output().context("waiting for git")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = stderr.trim().lines().next().unwrap_or("no reason given").to_owned();
        bail!("git {}: {reason}", arguments.first().unwrap_or(&""));
    }
    Ok(output.stdout)
}

/// The history in messages: `perf:history.jsonl`.
pub(super) fn shown(name: &str) -> String {
    format!("{name}:{FILE}")
}
