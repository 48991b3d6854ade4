//! The machine and the program that a run was measured with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use procfs::{Current, CurrentSI};
use wss_model::run_result::{Environment, Tool};
use wss_wire::machine;

/// The program, as recorded by its build script.
pub(crate) fn tool() -> Tool {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let crates = env!("WSSBENCH_CRATES").split(',').filter_map(|entry| entry.split_once('='));
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    for (name, version) in crates {
        versions
            .entry(name.to_owned())
            .and_modify(|known| *known = format!("{known}, {version}"))
            .or_insert_with(|| version.to_owned());
    }
    Tool {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: some(env!("WSSBENCH_GIT_COMMIT")),
        git_dirty: env!("WSSBENCH_GIT_DIRTY").parse().ok(),
        rustc: env!("WSSBENCH_RUSTC").to_owned(),
        profile: env!("WSSBENCH_PROFILE").to_owned(),
        crates: versions,
    }
}

/// The machine; the share of steal is filled in at the end of the run.
pub(crate) fn environment() -> Environment {
    let uname = rustix::system::uname();
    let cpu = procfs::CpuInfo::current().ok();
    let field = |name: &str| cpu.as_ref().and_then(|cpu| cpu.get_field(0, name).map(str::to_owned));
    let virtual_machine = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    Environment {
        kernel: uname.release().to_string_lossy().into_owned(),
        cpu_model: field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: machine::allowed_cpus().map_or(0, |cpus| cpus.len()),
        memory_bytes: procfs::Meminfo::current().map_or(0, |memory| memory.mem_total),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        hypervisor: virtual_machine
            .then(|| read("/sys/class/dmi/id/sys_vendor").or_else(|| read("/sys/hypervisor/type")))
            .map(|name| name.unwrap_or_else(|| "unnamed hypervisor".to_owned())),
        clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        settings: settings(Path::new("/")),
        steal_percent: 0.0,
    }
}

/// Sysctls that affect what is measured (`Documentation/networking/ip-sysctl.rst` of the kernel).
const SYSCTLS: [&str; 16] = [
    "net/core/default_qdisc",
    "net/core/rmem_max",
    "net/core/somaxconn",
    "net/core/wmem_max",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_autocorking",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_fastopen",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_notsent_lowat",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_slow_start_after_idle",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/tcp_timestamps",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/tcp_wmem",
];

/// Other settings, by name and file below /sys.
const SETTINGS: [(&str, &str); 4] = [
    ("cpufreq_driver", "devices/system/cpu/cpu0/cpufreq/scaling_driver"),
    ("cpuidle_driver", "devices/system/cpu/cpuidle/current_driver"),
    ("smt", "devices/system/cpu/smt/control"),
    ("transparent_hugepage", "kernel/mm/transparent_hugepage/enabled"),
];

/// The settings of the machine whose file system begins at `root`.
fn settings(root: &Path) -> BTreeMap<String, String> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let mut settings = BTreeMap::new();
    for name in SYSCTLS {
        if let Some(value) = read(root.join("proc/sys").join(name)) {
            settings.insert(name.replace('/', "."), value);
        }
    }
    for (name, file) in SETTINGS {
        if let Some(value) = read(root.join("sys").join(file)) {
            settings.insert(name.to_owned(), chosen(&value));
        }
    }
    let flaws = std::fs::read_dir(root.join("sys/devices/system/cpu/vulnerabilities"));
    for flaw in flaws.into_iter().flatten().flatten() {
        if let Some(state) = read(flaw.path()).filter(|state| state != "Not affected") {
            settings.insert(format!("vulnerability.{}", flaw.file_name().to_string_lossy()), state);
        }
    }
    settings
}

/// The value in brackets of a list of alternatives; otherwise the whole value.
fn chosen(value: &str) -> String {
    let in_brackets = value.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    in_brackets.map_or(value, |(chosen, _)| chosen).to_owned()
}

/// CPU time of the machine since boot, including the time that the hypervisor gave to other guests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime {
    all: u64,
    stolen: u64,
}

impl CpuTime {
    /// The time until now; `None` if /proc/stat cannot be read.
    pub(crate) fn now() -> Option<Self> {
        Some(Self::from(&procfs::KernelStats::current().ok()?.total))
    }

    /// The time of these CPUs until now; `None` if there are none, or /proc/stat cannot be read.
    pub(crate) fn of(cpus: &BTreeSet<usize>) -> Option<Self> {
        let all = procfs::KernelStats::current().ok()?.cpu_time;
        let times = cpus.iter().filter_map(|&cpu| all.get(cpu)).map(Self::from);
        times.reduce(|sum, time| Self { all: sum.all + time.all, stolen: sum.stolen + time.stolen })
    }

    fn from(total: &procfs::CpuTime) -> Self {
        let stolen = total.steal.unwrap_or(0);
        let others = [total.iowait, total.irq, total.softirq].map(|time| time.unwrap_or(0));
        let all = total.user + total.nice + total.system + total.idle + stolen + others.iter().sum::<u64>();
        Self { all, stolen }
    }

    /// The share stolen since `earlier`, in percent; `None` if it is not available.
    pub(crate) fn stolen_percent(earlier: Option<Self>) -> Option<f64> {
        earlier.zip(Self::now()).map(|(earlier, now)| now.stolen_percent_since(earlier))
    }

    /// The share stolen since `earlier`, in percent.
    #[allow(clippy::cast_precision_loss)] // ticks of a hundredth of a second
    pub(crate) fn stolen_percent_since(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all);
        if all == 0 { 0.0 } else { 100.0 * self.stolen.saturating_sub(earlier.stolen) as f64 / all as f64 }
    }
}

/// The current time in UTC, RFC 3339, to the second.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The ID of a run that starts now (time and process ID), and the time.
pub(crate) fn identify() -> (String, String) {
    let started_at = now();
    let id = format!("{}-{}", started_at.replace([':', '-'], ""), std::process::id());
    (id, started_at)
}

/// Resident memory of this process, bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    /// Without the pages of files.
    pub(crate) anonymous: u64,
}

impl Memory {
    pub(crate) fn now() -> Self {
        let status = procfs::process::Process::myself().and_then(|process| process.status());
        let bytes = |kib: Option<u64>| kib.unwrap_or(0) * 1024;
        status.map_or(Self::default(), |status| Self {
            resident: bytes(status.vmrss),
            peak: bytes(status.vmhwm),
            anonymous: bytes(status.rssanon),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_files_and_missing_ones_left_out() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/sys/net/ipv4/tcp_congestion_control", "bbr\n");
        write("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
        write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
        write("sys/devices/system/cpu/vulnerabilities/retbleed", "Mitigation: untrained return thunk\n");
        write("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n");
        let expected = [
            ("net.ipv4.tcp_congestion_control", "bbr"),
            ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
            ("transparent_hugepage", "madvise"),
            ("vulnerability.retbleed", "Mitigation: untrained return thunk"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(settings(root.path()), BTreeMap::from(expected));
    }

    #[test]
    fn this_machine_has_a_congestion_control() {
        assert!(settings(Path::new("/")).contains_key("net.ipv4.tcp_congestion_control"));
    }
}
