//! The machine and the program that a run was measured with.

use std::collections::{BTreeMap, BTreeSet};
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
        steal_percent: 0.0,
    }
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

/// Resident memory of this process in bytes: now and at its peak.
pub(crate) fn memory() -> (u64, u64) {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    let bytes = |kib: Option<u64>| kib.unwrap_or(0) * 1024;
    status.map_or((0, 0), |status| (bytes(status.vmrss), bytes(status.vmhwm)))
}
