//! `cargo bench --bench peers`: what a message costs when a socket has many peers of which one talks.
//!
//! Sender and receiver are one thread, so that only the choosing among pipes is seen: nanoseconds for a send and a
//! receive of 8 bytes, medians of nine rounds.

#![forbid(unsafe_code)]

use std::time::Instant;

use ringway::{Context, Pull, Push, WaitPolicy};

const ROUNDS: usize = 9;
const MESSAGES: u32 = 200_000;

fn main() {
    println!("PULL with n peers of which one talks, ns for a send and a receive");
    for peers in [1, 8, 64, 1000] {
        let context = Context::new();
        let mut pull = Pull::builder().wait(WaitPolicy::Spin).build(&context).unwrap();
        pull.bind("inproc://pull").unwrap();
        let mut pushes: Vec<Push> = (0..peers).map(|_| Push::new(&context).unwrap()).collect();
        pushes.iter_mut().for_each(|push| push.connect("inproc://pull").unwrap());
        let talker = &mut pushes[peers / 2];
        println!("{peers:5}  {:6.1}", median_ns(|| exchange(talker, &mut pull)));
    }
    println!("PUSH with 63 full peers and one that takes, against one peer");
    for full in [0, 63] {
        let context = Context::new();
        let mut push = Push::builder().send_hwm(1).wait(WaitPolicy::Spin).build(&context).unwrap();
        push.bind("inproc://push").unwrap();
        let mut pulls: Vec<Pull> = (0..=full)
            .map(|_| {
                let mut pull = Pull::builder().recv_hwm(1).wait(WaitPolicy::Spin).build(&context).unwrap();
                pull.connect("inproc://push").unwrap();
                pull
            })
            .collect();
        while push.try_send([0; 8]).is_ok() {}
        let taker = pulls.last_mut().unwrap();
        taker.recv().unwrap();
        taker.recv().unwrap();
        println!("{full:5}  {:6.1}", median_ns(|| exchange(&mut push, taker)));
    }
}

fn exchange(push: &mut Push, pull: &mut Pull) {
    push.send(7_u64.to_le_bytes()).unwrap();
    assert_eq!(pull.recv().unwrap()[0].len(), 8);
}

/// Of the rounds after the first, which lets quiet pipes be armed and full ones parked.
fn median_ns(mut exchange: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..=ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            (0..MESSAGES).for_each(|_| exchange());
            begin.elapsed().as_nanos() as f64 / f64::from(MESSAGES)
        })
        .skip(1)
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
