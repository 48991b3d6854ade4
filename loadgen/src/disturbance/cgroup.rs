//! How long the control group of this process was throttled or frozen, in both versions of the interface.
//!
//! Sources: `Documentation/admin-guide/cgroup-v2.rst` (`cpu.stat`: `throttled_usec`; `cgroup.stat.local`: `frozen_usec`,
//! since Linux 6.18) and `Documentation/scheduler/sched-bwc.rst` (version 1, `cpu.stat`: `throttled_time` in nanoseconds)
//! of the kernel, cgroups(7), proc(5).

use std::fs;
use std::path::{Path, PathBuf};

use procfs::process::Process;

/// Where the statistics of the group are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cgroup {
    /// The group of the controller `cpu` in version 1.
    cpu_v1: Option<PathBuf>,
    /// The group in version 2.
    v2: Option<PathBuf>,
}

/// Times since the group was made, nanoseconds; `None` if nothing counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CgroupTimes {
    pub(crate) throttled_ns: Option<u64>,
    pub(crate) frozen_ns: Option<u64>,
}

impl Cgroup {
    /// The group of this process; empty if /proc cannot be read.
    pub(crate) fn of_this_process() -> Self {
        let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = Process::myself().and_then(|process| process.mountinfo());
        let mounts = mounts.map_or_else(
            |_| Vec::new(),
            |mounts| {
                let of_cgroups = mounts.into_iter().filter(|mount| mount.fs_type.starts_with("cgroup"));
                of_cgroups
                    .map(|mount| Mount {
                        is_v2: mount.fs_type == "cgroup2",
                        options: mount.super_options.into_keys().collect(),
                        root: mount.root,
                        point: mount.mount_point,
                    })
                    .collect()
            },
        );
        Self::find(&memberships, &mounts)
    }

    /// The group that `memberships`, the content of /proc/PID/cgroup, names under these mounts. Each line has a hierarchy
    /// number, controllers and path; in version 2 the number is 0 and there are no controllers.
    fn find(memberships: &str, mounts: &[Mount]) -> Self {
        let mut found = Self::default();
        for line in memberships.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if number == "0" && controllers.is_empty() {
                found.v2 = mounts.iter().find(|mount| mount.is_v2).map(|mount| mount.folder(path));
            } else if controllers.split(',').any(|controller| controller == "cpu") {
                let has_cpu = |mount: &&Mount| !mount.is_v2 && mount.options.iter().any(|option| option == "cpu");
                found.cpu_v1 = mounts.iter().find(has_cpu).map(|mount| mount.folder(path));
            }
        }
        found
    }

    /// Reads the times until now.
    pub(crate) fn read(&self) -> CgroupTimes {
        let field = |folder: &Option<PathBuf>, file: &str, name: &str| {
            let text = fs::read_to_string(folder.as_ref()?.join(file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
        };
        CgroupTimes {
            throttled_ns: field(&self.v2, "cpu.stat", "throttled_usec ")
                .map(|us| us.saturating_mul(1000))
                .or_else(|| field(&self.cpu_v1, "cpu.stat", "throttled_time ")),
            frozen_ns: field(&self.v2, "cgroup.stat.local", "frozen_usec ").map(|us| us.saturating_mul(1000)),
        }
    }
}

/// A mounted hierarchy.
#[derive(Debug)]
struct Mount {
    is_v2: bool,
    /// In version 1 the controllers are among them.
    options: Vec<String>,
    /// The group that is mounted at `point`.
    root: String,
    point: PathBuf,
}

impl Mount {
    /// The folder of a group. A path outside the mounted part is the root of that part, as in a container.
    fn folder(&self, path: &str) -> PathBuf {
        let relative = Path::new(path).strip_prefix(&self.root).unwrap_or(Path::new(""));
        self.point.join(relative.strip_prefix("/").unwrap_or(relative))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(is_v2: bool, options: &[&str], root: &str, point: &Path) -> Mount {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Mount { is_v2, options, root: root.to_owned(), point: point.to_owned() }
    }

    #[test]
    fn reads_version_2() {
        let tree = tempfile::tempdir().unwrap();
        let group = tree.path().join("user.slice/bench");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cpu.stat"), "usage_usec 5000\nnr_throttled 3\nthrottled_usec 1200\n").unwrap();
        fs::write(group.join("cgroup.stat.local"), "frozen_usec 300000\n").unwrap();
        let found = Cgroup::find("0::/user.slice/bench\n", &[mount(true, &["rw"], "/", tree.path())]);
        assert_eq!(found.read(), CgroupTimes { throttled_ns: Some(1_200_000), frozen_ns: Some(300_000_000) });
    }

    #[test]
    fn reads_version_1_beside_a_version_2_without_controllers() {
        let (v1, v2) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let group = v1.path().join("bench");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cpu.stat"), "nr_periods 9\nnr_throttled 2\nthrottled_time 7000\n").unwrap();
        fs::write(v2.path().join("cpu.stat"), "usage_usec 5000\n").unwrap();
        let memberships = "7:cpuset:/elsewhere\n3:cpu,cpuacct:/bench\n0::/\n";
        let mounts = [
            mount(false, &["rw", "cpuset"], "/", Path::new("/none")),
            mount(false, &["rw", "cpu", "cpuacct"], "/", v1.path()),
            mount(true, &["rw"], "/", v2.path()),
        ];
        let times = Cgroup::find(memberships, &mounts).read();
        assert_eq!(times, CgroupTimes { throttled_ns: Some(7000), frozen_ns: None });
    }

    #[test]
    fn a_container_sees_the_root_of_its_part() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("cpu.stat"), "throttled_usec 1\n").unwrap();
        for (path, root) in [("/", "/"), ("/docker/abc", "/docker/abc"), ("/", "/docker/abc")] {
            let found = Cgroup::find(&format!("0::{path}"), &[mount(true, &[], root, tree.path())]);
            assert_eq!(found.read().throttled_ns, Some(1000), "{path} under {root}");
        }
    }

    #[test]
    fn without_groups_nothing_is_known() {
        assert_eq!(Cgroup::find("", &[]).read(), CgroupTimes::default());
    }
}
