//! How much processor time and memory processes use, from `/proc` (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>).

use std::time::Duration;

use anyhow::Context as _;

/// Ticks of a second in `/proc`: `USER_HZ`, which is 100 on every architecture but Alpha.
const TICKS_PER_SECOND: u64 = 100;

/// The numbers of a process that count here.
struct Stat {
    name: String,
    parent: u32,
    own: u64,
    ended_children: u64,
}

/// Of one process with all its threads.
pub fn of_process(process: u32) -> anyhow::Result<Duration> {
    Ok(duration(stat(process)?.own))
}

/// Of a process, its children, and those of its children that have ended.
pub fn of_family(head: u32) -> anyhow::Result<Duration> {
    let own = stat(head)?;
    let mut ticks = own.own + own.ended_children;
    for entry in std::fs::read_dir("/proc")? {
        let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends meanwhile is nobody's child.
        if let Ok(child) = stat(process)
            && child.parent == head
        {
            ticks += child.own;
        }
    }
    Ok(duration(ticks))
}

/// What a process has resident in memory of its own, in bytes: heap and stacks, not files that it maps, such as its program or a
/// database, whose pages the system may take back at any time.
pub fn resident_bytes(process: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    anonymous_bytes(&text).with_context(|| format!("/proc/{process}/status has an unknown form"))
}

/// `RssAnon:      1234 kB`.
fn anonymous_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// The head of PostgreSQL's processes, if the backend with that number runs on this machine.
pub fn postmaster(backend: u32) -> Option<u32> {
    stat(backend).ok().filter(|stat| stat.name.starts_with("postgres")).map(|stat| stat.parent)
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

fn stat(process: u32) -> anyhow::Result<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse(&text).with_context(|| format!("/proc/{process}/stat has an unknown form"))
}

/// `1234 (name) S 1 …`; the name may hold anything.
fn parse(text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    // The first of these is field 3, the state.
    let fields: Vec<&str> = after.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        name: name.to_owned(),
        parent: u32::try_from(number(4)?).ok()?,
        own: number(14)? + number(15)?,
        ended_children: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(anonymous_bytes("VmRSS:\t  30 kB\nRssAnon:\t   12 kB\n"), Some(12_288));
        assert_eq!(anonymous_bytes("VmRSS:\t  30 kB\n"), None);
    }

    #[test]
    fn the_numbers_are_found_behind_any_name() {
        let stat = parse("42 (a) b (c) S 7 42 42 0 -1 4 1 2 3 4 100 20 5 6 20 0 1 0").unwrap();
        assert_eq!((stat.name.as_str(), stat.parent, stat.own, stat.ended_children), ("a) b (c", 7, 120, 11));
        assert!(parse("42 a S 7").is_none());
        assert!(parse("42 (a) S 7 1").is_none());
    }
}
