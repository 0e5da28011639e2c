//! The codec alone: what a message costs to encode into an outbox, and to decode out of a read buffer of 64 KiB.
//!
//! One thread, no system calls. `cargo bench --features fuzzing --bench zmtp`, about half a minute.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::{Message, fuzzing::Codec};

criterion_group!(codec, encode, decode);
criterion_main!(codec);

/// What is read at once.
const BUFFER: usize = 64 << 10;

/// A name, and a message.
fn messages() -> Vec<(String, Message)> {
    let single = |size: usize| (format!("{size} B"), Message::from(vec![7; size]));
    let mut messages: Vec<_> = [0, 8, 54, 56, 64, 200, 255, 256, 1000, 4096].map(single).into();
    messages.push(("envelope, 54 B".into(), ["", "x"].into_iter().map(|text| text.repeat(54)).collect()));
    messages.push(("id, envelope, 54 B".into(), ["five5", "", &"x".repeat(54)].into_iter().collect()));
    messages
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, message) in messages() {
        let mut codec = Codec::new();
        let times = BUFFER / codec.encoded(&message).len();
        group.throughput(Throughput::Elements(times as u64));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(codec.encode(black_box(&message), times))));
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, message) in messages() {
        let mut codec = Codec::new();
        let one = codec.encoded(&message);
        let times = BUFFER / one.len();
        let bytes = one.repeat(times);
        group.throughput(Throughput::Elements(times as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let messages = codec.decode(black_box(&bytes), |message| _ = black_box(message));
                assert_eq!(messages, times);
            });
        });
    }
}
