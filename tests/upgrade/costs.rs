//! What links take of the system's, as docs/ipc.md says it.

use std::fs;

use ringway::{Context, Message, Pull, Push};

use crate::{
    link::{Holdings, alone, anywhere, outcome},
    raw::{PATIENCE, watch::Watch},
};

const LINKS: usize = 100;

/// Resident bytes of the segments this process has mapped, all mappings together.
fn resident() -> usize {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("the system lists them");
    let mut is_segment = false;
    let mut sum = 0;
    for line in smaps.lines() {
        if line.split(' ').next().is_some_and(|first| first.contains('-')) {
            is_segment = line.contains("/memfd:ringway");
        } else if is_segment && let Some(rest) = line.strip_prefix("Rss:") {
            sum += rest.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10;
        }
    }
    sum
}

#[test]
fn a_link_takes_eight_descriptors_and_two_segments() {
    let _alone = alone();
    let contexts = [Context::new(), Context::new()];
    let mut pull = Pull::new(&contexts[0]).unwrap();
    let endpoint = anywhere();
    pull.bind(&endpoint).unwrap();
    let mut watch = Watch::new(pull.monitor());
    let mut pushes = Vec::new();
    let mut connect = |pull: &mut Pull, watch: &mut Watch| {
        let mut push = Push::new(&contexts[1]).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("here").unwrap();
        assert_eq!(outcome(watch), Ok(()));
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), Message::from("here"));
        pushes.push(push);
    };
    // The first has a reactor started.
    connect(&mut pull, &mut watch);
    let before = (Holdings::now(), resident());
    for _ in 0..LINKS {
        connect(&mut pull, &mut watch);
    }
    let after = (Holdings::now(), resident());
    let descriptors = after.0.descriptors - before.0.descriptors;
    let mappings = after.0.segments - before.0.segments;
    let memory = after.1 - before.1;
    eprintln!(
        "{LINKS} links, both sides: {descriptors} descriptors, {mappings} mappings, {memory} bytes mapped in all"
    );
    // Of each side: the stream, its doorbell, the other's, the other's process.
    // Of one link more at the most, whose other side was not done when it was counted first.
    assert!(descriptors <= (LINKS + 1) * 8, "{descriptors}");
    // Of each side: its segment and the other's.
    assert_eq!(mappings, LINKS * 4);
    // Each of the two segments of a link is in two mappings here.
    assert_eq!(memory, LINKS * 4 * (68 << 10));
}
