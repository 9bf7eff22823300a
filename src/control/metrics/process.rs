//! What the process takes, from `/proc`; what the system does not tell is left out.

use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

use super::Page;
use super::table::{CPU, FDS, MAX_FDS, RESIDENT, THREADS, VIRTUAL};

pub(super) fn fill(page: &mut Page) {
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let seconds = [usage.user_time(), usage.system_time()].map(|time| {
            #[expect(clippy::cast_precision_loss, reason = "seconds and microseconds, exact for millennia")]
            let seconds = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            seconds
        });
        page.put(&CPU, [], seconds[0] + seconds[1]);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    for (family, name, unit) in [(&RESIDENT, "VmRSS:", 1024), (&VIRTUAL, "VmSize:", 1024), (&THREADS, "Threads:", 1)] {
        if let Some(value) = field(name) {
            page.put(family, [], value * unit);
        }
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory itself.
        page.put(&FDS, [], entries.count().saturating_sub(1));
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        page.put(&MAX_FDS, [], soft);
    }
}
