//! Runs every example as its first line says, with a small count, and checks what it prints.
//!
//! `cargo test` builds the examples next to the tests; a run of this test alone does not.

#![cfg(not(any(loom, shuttle, miri)))]

mod stage;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{self, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use stage::{PLAYS, Road, built};

/// Longer than anything here takes, even on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(120);

/// Those in parts end by themselves after `--seconds`, the others when their count is reached.
fn run(name: &str, flags: &[&str]) -> Output {
    Command::new(built(name)).args(flags).output().expect("the example starts")
}

/// What a run that fails says, as it says it: text in the quotes of a debug print is taken out of them.
fn complaint(name: &str, flags: &[&str]) -> String {
    let output = run(name, flags);
    assert_eq!(output.status.code(), Some(1), "{name} {flags:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{name} {flags:?}: it fails and has results");
    let error = String::from_utf8(output.stderr).expect("examples print text");
    let error = error.trim_end().strip_prefix("Error: ").unwrap_or_else(|| panic!("{name} {flags:?}: {error}"));
    match error.strip_prefix('"').and_then(|error| error.strip_suffix('"')) {
        Some(text) => text.replace("\\\"", "\""),
        None => error.to_owned(),
    }
}

/// The lines a successful run prints.
fn lines(name: &str, flags: &[&str]) -> Vec<String> {
    let output = run(name, flags);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {flags:?}: {}: {error}", output.status);
    assert_eq!(error, "", "{name} has nothing to complain about");
    String::from_utf8(output.stdout).expect("examples print text").lines().map(str::to_owned).collect()
}

#[test]
fn relay_keeps_order() {
    assert_eq!(lines("relay", &["--count", "5000"]), ["5000 signals through 3 parts, all in order"]);
    assert_eq!(lines("relay", &["--count", "0"]), ["0 signals through 3 parts, all in order"]);
}

#[test]
fn what_is_lent_arrives_whole() {
    assert_eq!(lines("loan", &["--count", "5000"]), ["viewer: 5000 pictures, all of them whole"]);
}

#[test]
fn pipeline_adds_up_and_every_worker_works() {
    for workers in [1, 3, 12] {
        let count: u64 = 3000;
        let lines = lines("pipeline", &["--count", &count.to_string(), "--workers", &workers.to_string()]);
        let (shares, totals) = lines.split_at(workers);
        let share = |line: &String| -> u64 { line.split(' ').nth(2).unwrap().parse().unwrap() };
        assert!(shares.iter().all(|line| line.starts_with("worker ") && share(line) > 0), "{shares:?}");
        assert_eq!(shares.iter().map(share).sum::<u64>(), count);
        let total = count * (count + 1) * (2 * count + 1) / 6;
        assert_eq!(totals, [format!("total {total} of {count} results")]);
    }
}

#[test]
fn typed_channel_delivers_everything() {
    let lines = lines("typed_channel", &["--count", "5000"]);
    let [place, result] = &lines[..] else { panic!("{lines:?}") };
    let alone = ringway::affinity::usable().len() == 1;
    assert_eq!(place == "one usable CPU: running unpinned", alone, "{place}");
    assert_eq!(result, &format!("5000 ticks in order, total {}", 3 * (4999 * 5000 / 2)));
}

#[test]
fn actors_play_ping_pong() {
    let lines = lines("actor_ping_pong", &["--count", "3000"]);
    let [place, result] = &lines[..] else { panic!("{lines:?}") };
    let alone = ringway::affinity::usable().len() == 1;
    assert_eq!(place == "one usable CPU: running unpinned", alone, "{place}");
    assert_eq!(result, "3000 balls there and back");
}

#[test]
fn actors_in_a_row_drop_nothing() {
    for capacity in ["1", "64"] {
        assert_eq!(
            lines("actor_pipeline", &["--count", "3000", "--capacity", capacity]),
            ["the squares of 1 to 3000 add up to 9004500500; none was dropped"]
        );
    }
}

#[test]
fn a_pool_of_actors_does_all_jobs_though_some_fail() {
    for workers in ["1", "3"] {
        assert_eq!(
            lines("actor_pool", &["--count", "3000", "--workers", workers]),
            ["3000 jobs done, with 300 restarts: the squares add up to 9004500500"]
        );
    }
}

#[test]
fn actors_and_clients_ask() {
    let answers = ["client", "actor"].map(|who| format!("{who}: 2000 answers, 1 question in vain"));
    assert_eq!(lines("actor_ask", &["--count", "2000"]), answers);
}

/// Of lines as "worker 1: 200 requests", with these beginnings in this order, the numbers.
fn numbers(lines: &[String], what: &str, unit: &str) -> Vec<u32> {
    let number = |(place, line): (usize, &String)| -> u32 {
        let number = line.strip_prefix(&format!("{what} {place}: ")).and_then(|rest| rest.strip_suffix(unit));
        number.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap()
    };
    lines.iter().enumerate().map(number).collect()
}

#[test]
fn hello_world_is_said_and_answered() {
    assert_eq!(lines("hello_world", &["--count", "500"]), ["server: 500 times Hello", "client: 500 times World"]);
    let elsewhere = ["--endpoint", "inproc://elsewhere", "--count", "1"];
    assert_eq!(lines("hello_world", &elsewhere), ["server: 1 times Hello", "client: 1 times World"]);
}

#[test]
fn weather_is_of_one_place() {
    // The updates of a place are numbers 0, 100, 200, 300 and 400: 10 to 14 degrees.
    let enough = lines("weather", &["--count", "401", "--zip", "20000"]);
    assert_eq!(enough, ["server: 401 updates", "client: average temperature of 20000 is 12"]);
    assert_eq!(complaint("weather", &["--count", "400"]), "only 4 updates of 10001, 5 are needed");
}

#[test]
fn broker_answers_all_with_all_workers() {
    for (clients, workers) in [(1, 1), (3, 2), (5, 4)] {
        let (clients_text, workers_text) = (clients.to_string(), workers.to_string());
        let lines = lines("broker", &["--count", "200", "--clients", &clients_text, "--workers", &workers_text]);
        let all = 200 * clients as u32;
        assert_eq!(lines[0], format!("broker: {all} requests and {all} replies passed on"));
        let (worked, answered) = lines[1..].split_at(workers);
        let shares = numbers(worked, "worker", " requests");
        assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
        assert_eq!(shares.iter().sum::<u32>(), all);
        assert_eq!(numbers(answered, "client", " replies"), vec![200; clients]);
    }
}

#[test]
fn multithreaded_server_uses_its_threads() {
    let lines = lines("multithreaded_server", &["--count", "300", "--threads", "3"]);
    // One client: the threads take turns.
    assert_eq!(lines, ["server: requests by thread: 100 100 100", "client: the squares of 1 to 300 add up to 9045050"]);
}

#[test]
fn forwarder_passes_on_what_is_wanted() {
    let lines = lines("forwarder", &["--count", "300", "--publishers", "2", "--subscribers", "3"]);
    assert_eq!(lines[0], "forwarder: 1800 messages passed on");
    assert_eq!(numbers(&lines[1..4], "subscriber", " messages"), [600; 3]);
    assert_eq!(lines[4..], [0, 1].map(|number| format!("publisher {number}: 900 messages wanted, 300 not sent")));
}

/// It starts its other half by itself.
#[cfg(feature = "remote")]
#[test]
fn actors_elsewhere_are_told_and_asked() {
    let expected = ["customer: 3000 sales, 4498500 cents", "customer: the till is closed"];
    assert_eq!(lines("remote_actors", &["--count", "3000"]), expected);
    assert_eq!(lines("remote_actors", &["--count", "3000", "--endpoint", "tcp://127.0.0.1:*"]), expected);
}

#[test]
fn two_sources_are_both_served() {
    assert_eq!(lines("two_sources", &["--count", "2000"]), ["reader: 2000 tasks and 2000 updates through one poller"]);
}

#[test]
fn an_actor_serves_a_router_over_each_road() {
    for endpoint in ["inproc://till", "ipc://*", "tcp://127.0.0.1:*"] {
        let lines = lines("actor_router", &["--count", "200", "--endpoint", endpoint]);
        assert_eq!(lines, ["till: 600 payments of 3 customers, 60300 in all"], "{endpoint}");
    }
}

#[test]
fn coordinated_subscribers_miss_nothing() {
    for subscribers in [1, 7] {
        let lines = lines("coordination", &["--count", "3000", "--subscribers", &subscribers.to_string()]);
        let ready = format!("publisher: 3000 updates and the end, to {subscribers} subscribers that were ready");
        assert_eq!(lines[0], ready);
        assert_eq!(numbers(&lines[1..], "subscriber", " updates and the end"), vec![3000; subscribers]);
    }
}

#[test]
fn durable_subscriber_misses_nothing_over_its_lives() {
    assert_eq!(
        lines("durable_subscriber", &["--count", "400", "--restarts", "3"]),
        [
            "life 0: numbers 0..100",
            "life 1: restarted, numbers 100..200",
            "life 2: restarted, numbers 200..300",
            "life 3: restarted, numbers 300..400",
            // Each time the window that was on its way.
            "publisher: 300 sent again"
        ]
    );
}

#[test]
fn durable_subscriber_goes_on_where_its_file_says() {
    let state = env::temp_dir().join(format!("ringway-examples-{}", std::process::id()));
    let flags = ["--restarts", "1", "--state", state.to_str().unwrap()];
    let first = lines("durable_subscriber", &[&flags[..], &["--count", "100"]].concat());
    assert_eq!(first[..2], ["life 0: numbers 0..50", "life 1: restarted, numbers 50..100"]);
    let second = lines("durable_subscriber", &[&flags[..], &["--count", "300"]].concat());
    assert_eq!(second[..2], ["life 0: numbers 100..150", "life 1: restarted, numbers 150..300"]);
    fs::write(&state, "nothing").unwrap();
    let spoilt = complaint("durable_subscriber", &flags);
    fs::remove_file(&state).unwrap();
    assert!(spoilt.contains("has no position in it"), "{spoilt}");
}

/// Killed when the test is done with it, however that ends.
struct Child(process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Child {
    fn start(name: &str, flags: &[&str]) -> (Self, mpsc::Receiver<String>) {
        let mut child = Command::new(built(name)).args(flags).stdout(Stdio::piped()).spawn().expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (printed, lines) = mpsc::channel();
        thread::spawn(move || output.map_while(Result::ok).try_for_each(|line| printed.send(line)));
        (Self(child), lines)
    }

    #[cfg(target_os = "linux")]
    fn signal(&self, signal: i32) {
        let pid = libc::pid_t::try_from(self.0.id()).expect("a process id");
        // SAFETY: a signal to a child that has not been waited for, so the number is still its.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }
}

/// Of "accepted 7 = done 5 + lost 2" the numbers.
fn balance(line: &str) -> [u64; 3] {
    let words: Vec<&str> = line.split(' ').collect();
    let ["accepted", accepted, "=", "done", done, "+", "lost", lost] = words[..] else { panic!("{line:?}") };
    [accepted, done, lost].map(|number| number.parse().unwrap())
}

#[test]
fn clean_stop_does_what_it_was_told_to() {
    for workers in ["1", "4"] {
        let lines = lines("clean_stop", &["--count", "5000", "--workers", workers]);
        assert_eq!(lines[..2], ["ready", "stopped by its count"]);
        assert_eq!(balance(&lines[2]), [5000, 5000, 0]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn clean_stop_loses_nothing_that_was_accepted() {
    for (signal, name) in [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM")] {
        let (mut child, lines) = Child::start("clean_stop", &[]);
        assert_eq!(lines.recv_timeout(LIMIT).unwrap(), "ready");
        child.signal(signal);
        assert_eq!(lines.recv_timeout(LIMIT).unwrap(), format!("stopped by {name}"));
        let [accepted, done, lost] = balance(&lines.recv_timeout(LIMIT).unwrap());
        assert_eq!((accepted, 0), (done, lost));
        assert!(lines.recv_timeout(LIMIT).is_err(), "that is all");
        assert!(child.0.wait().unwrap().success());
    }
}

#[test]
fn roads_there_are_none_of_are_named() {
    for (name, flags) in [
        ("hello_world", &["--endpoint"][..]),
        ("weather", &["--endpoint"]),
        ("broker", &["--frontend", "--backend"]),
        ("multithreaded_server", &["--endpoint"]),
        ("forwarder", &["--frontend", "--backend"]),
        ("two_sources", &["--tasks", "--weather"]),
        ("actor_router", &["--endpoint"]),
        ("coordination", &["--updates", "--ready"]),
        ("durable_subscriber", &["--endpoint"]),
        ("clean_stop", &["--tasks", "--results"]),
    ] {
        for flag in flags {
            assert_eq!(complaint(name, &[flag, "smoke://signals"]), "Endpoint(UnknownScheme(\"smoke\"))", "{name}");
            assert_eq!(complaint(name, &[flag, "nowhere"]), "Endpoint(NoScheme)", "{name}");
        }
    }
}

#[test]
fn parts_can_be_played_alone() {
    // By this road nobody comes from another process; so who needs others waits in vain, and who serves is not needed.
    assert_eq!(complaint("hello_world", &["--role", "client", "--seconds", "1"]), "not done after 1 s");
    assert_eq!(complaint("coordination", &["--role", "publisher", "--seconds", "1"]), "not done after 1 s");
    let workers = lines("broker", &["--role", "worker", "--workers", "3", "--seconds", "1"]);
    assert_eq!(numbers(&workers, "worker", " requests"), [0; 3]);
    assert_eq!(
        complaint("broker", &["--role", "tenor"]),
        r#"--role is all or one of broker, worker, client, not "tenor""#
    );
}

#[test]
fn parts_are_played_by_several_processes_over_tcp() {
    PLAYS.iter().for_each(|play| play.perform(Road::Tcp, |_| Command::new(built(play.example))));
}

#[test]
fn parts_are_played_by_several_processes_over_ipc() {
    PLAYS.iter().for_each(|play| play.perform(Road::Ipc, |_| Command::new(built(play.example))));
}

#[test]
fn wrong_flags_are_named() {
    for (name, flags, expected) in [
        ("relay", &["--cuont", "1"][..], "unknown flag --cuont"),
        ("relay", &["--count", "many"], r#"--count needs a whole number, not "many""#),
        ("relay", &["--count"], "--count needs a value"),
        ("hello_world", &["--endpiont", "inproc://x"], "unknown flag --endpiont"),
        ("hello_world", &["--count", "-1"], r#"--count needs a whole number, not "-1""#),
        ("hello_world", &["--seconds", "0"], "--seconds needs at least one"),
        ("broker", &["--workers", "0"], "--workers needs at least one"),
        ("clean_stop", &["--workers", "0"], "--workers needs at least one"),
        ("actor_pool", &["--workers", "0"], "--workers needs at least one"),
    ] {
        assert_eq!(complaint(name, flags), expected, "{name}");
    }
}

#[test]
fn every_example_says_how_to_run_it_and_is_tested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let features = if name == "remote_actors" { "--features remote " } else { "" };
            let command = format!("// cargo run --release {features}--example {name} -- --count ");
            assert!(text.starts_with(&command), "line one of {name}");
            names.push(name);
        }
    }
    names.sort();
    assert_eq!(
        names,
        [
            "actor_ask",
            "actor_ping_pong",
            "actor_pipeline",
            "actor_pool",
            "actor_router",
            "broker",
            "clean_stop",
            "coordination",
            "durable_subscriber",
            "forwarder",
            "hello_world",
            "loan",
            "multithreaded_server",
            "pipeline",
            "relay",
            "remote_actors",
            "two_sources",
            "typed_channel",
            "weather"
        ],
        "another example needs another test here"
    );
}
