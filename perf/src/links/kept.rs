//! Memory of peers that are connected and say nothing, on the accepting side, which has a process of its own; the peers
//! are bare sockets in this one. Over ipc, where such peers share no memory, also of connections that do: see `shared`.

#![forbid(unsafe_code)]

use std::time::Duration;

use serde_json::{Value, json};

use super::{between_processes, library, parties, shared::Shared, taken::Taken, zmtp};
use crate::{
    apart::{
        child::{Child, Talk},
        job::{Job, Part},
    },
    cli::{Memory, Pattern, Transport},
    commands::show,
    failure::Failure,
    floor::raw::broken,
    party::Party,
    pins::Pins,
    report::{Columns, rounded, value_name},
};

/// Before the first peer, with all of them, after their messages.
struct Kept {
    empty: Taken,
    idle: Taken,
    used: Taken,
}

pub(crate) fn run(asked: &Memory, peers: u16) -> Result<(), Failure> {
    let route = &asked.route;
    between_processes(route.transport)?;
    let pins = Pins::choose();
    // Descriptors, of which others are open as well.
    let descriptors = descriptors().saturating_sub(100);
    let held = peers.min(descriptors);
    let mut table =
        Columns::new(&["library", "heap, idle", "resident, idle", "heap, after", "resident, after", "× ours"]);
    let (mut rows, mut sums, mut ours) = (Vec::<Value>::new(), String::new(), None);
    for party in parties(route.transport, route.drive, Pattern::PushPull, asked.is_alone()) {
        let Kept { empty, idle, used } = measure(party, held, asked, &pins)?;
        let (idle, used) = (idle.each(empty, held), used.each(empty, held));
        let [heap, resident, heap_after, resident_after] =
            [idle.heap_bytes, idle.resident_bytes, used.heap_bytes, used.resident_bytes];
        let ratio = heap / *ours.get_or_insert(heap);
        let cells = [heap, resident, heap_after, resident_after].map(|bytes| format!("{bytes:.0} B"));
        table.row([library(party)].into_iter().chain(cells).chain([format!("{ratio:.2}")]));
        let whole = empty.resident_bytes + resident * f64::from(peers);
        sums += &format!(
            "  {}: {:.1} MB resident without peers + {peers} × {resident:.0} B = {:.1} MB\n",
            library(party),
            empty.resident_bytes / 1e6,
            whole / 1e6
        );
        rows.push(json!({
            "name": library(party),
            "heap_bytes": rounded(heap, 0),
            "resident_bytes": rounded(resident, 0),
            "heap_after_bytes": rounded(heap_after, 0),
            "resident_after_bytes": rounded(resident_after, 0),
            "sum_resident_bytes": rounded(whole, 0),
            "vs_ours": rounded(ratio, 3),
        }));
    }
    let transport = value_name(route.transport);
    let shares = cfg!(target_os = "linux") && route.transport == Transport::Ipc && !route.plain;
    let shared = shares.then(|| Shared::measure(asked, peers, descriptors, &pins)).transpose()?;
    let mut json = json!({
        "transport": transport,
        "peers": peers,
        "measured_peers": held,
        "size": route.size,
        "count": asked.count,
        "rows": rows,
    });
    if let Some(shared) = &shared {
        json["shared"] = shared.to_json();
    }
    let measured = if held == peers { String::new() } else { format!(", from {held}: descriptors allow no more") };
    let text = format!(
        "{transport}, PULL with {peers} accepted peers{measured}; bytes a peer, idle and after {} messages of {} B from each\n\n{}\n{sums}{}",
        asked.count,
        route.size,
        table.text(),
        shared.map_or_else(String::new, |shared| format!("\n{}", shared.text())),
    );
    show(asked.json.as_ref(), &text, &json)
}

fn measure(party: Party, peers: u16, asked: &Memory, pins: &Pins) -> Result<Kept, Failure> {
    let (count, size) = (asked.count, asked.route.size);
    let terms = asked.route.terms(pins);
    let senders = usize::from(peers);
    let job = Job { senders, ..Job::new(Part::Host, party, peers - 1, &terms, pins) };
    Child::start(&job)?.run(pins.first(), WITHIN, move |talk| {
        let endpoints = talk.hear_bound()?;
        let empty = ask(talk, "memory")?;
        let connect = |_| zmtp::Peer::connect(&endpoints[0]).map_err(broken);
        let mut connected = (0..peers).map(connect).collect::<Result<Vec<_>, Failure>>()?;
        let idle = ask(talk, "connected")?;
        for (n, peer) in connected.iter_mut().enumerate() {
            // One after the other: what waits in the kernel meanwhile stays bounded.
            talk.tell(&format!("receive {count}"))?;
            peer.send(n as u16, count, size).map_err(broken)?;
            talk.hear("memory")?;
        }
        let used = ask(talk, "memory")?;
        Ok(Kept { empty, idle, used })
    })
}

fn ask(talk: &mut Talk, line: &str) -> Result<Taken, Failure> {
    talk.tell(line)?;
    Taken::of_line(&talk.hear("memory")?)
}

/// How many this process may have open.
fn descriptors() -> u16 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = open.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    u16::try_from(soft.unwrap_or(1_024)).unwrap_or(u16::MAX)
}

/// For all of them, one after the other.
const WITHIN: Duration = Duration::from_secs(300);
