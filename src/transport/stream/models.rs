//! Programs for the model checkers: that no work is left undone, whoever finds the baton taken, and that no message is left
//! in a pipe whose far end has nobody at work. On the baton, hub, signal and pipe that sessions are made of; what a session
//! does with the baton in its hand is one step here.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringway --release --lib --target-dir target/loom stream -- --nocapture`, and likewise with
//! shuttle.

#![forbid(unsafe_code)]

use std::mem::ManuallyDrop;

use super::baton::{Baton, Held};
use crate::{
    Frame, Message, SocketType,
    monitor::{PeerMetadata, Traffic},
    pipe::{Crew, Directions, Drive, End, Hub, HubOptions, Outward, Profile, Side, Tie, Watch, local_pair},
    sync::{Arc, AtomicU32, Ordering, planted, thread, with_plant},
    wait::Sleep,
};

/// Makes a piece of work, and does all there is unless somebody else is at it.
fn work(made: &AtomicU32, baton: &Baton<u32>) {
    made.fetch_add(1, Ordering::Relaxed);
    let Some(held) = baton.take_or_ask() else { return };
    finish(held, |done| *done = made.load(Ordering::Relaxed));
}

fn finish<T>(mut held: Held<'_, T>, mut work: impl FnMut(&mut T)) {
    loop {
        work(&mut held);
        match held.let_go() {
            None => return,
            Some(again) => held = again,
        }
    }
}

/// Two threads make work, and a third looks in without any: all is done in the end.
fn asked(each: u32, looks_in: bool) {
    let made = Arc::new(AtomicU32::new(0));
    let baton = Arc::new(Baton::new(0));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (made, baton) = (made.clone(), baton.clone());
            thread::spawn(move || (0..each).for_each(|_| work(&made, &baton)))
        })
        .collect();
    if looks_in && let Some(held) = baton.try_take() {
        finish(held, |done| *done = made.load(Ordering::Relaxed));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(*baton.try_take().expect("nobody has it"), 2 * each);
}

/// A session in small: takes what is in the pipe.
#[derive(Debug)]
struct Porter {
    baton: Baton<Option<Load>>,
    /// It leaves the first wakes to somebody else, who visits later.
    defers: bool,
    deferred: AtomicU32,
}

#[derive(Debug)]
struct Load {
    end: End,
    hub: Arc<Hub>,
    taken: u32,
}

impl Porter {
    fn look(&self) {
        let Some(held) = self.baton.take_or_ask() else { return };
        finish(held, |load| {
            let Some(load) = load else { return };
            let mut place = Message::from(Frame::new());
            loop {
                while load.end.pop_into(&mut place) {
                    load.taken += 1;
                }
                load.end.publish();
                if load.end.rest(&load.hub, None) {
                    return;
                }
            }
        });
    }
}

impl Sleep for Porter {
    fn wake(&self) {
        if self.defers {
            self.deferred.fetch_add(1, Ordering::Release);
        } else if !planted("porter-sleeps-on") {
            self.look();
        }
    }
}

impl Drive for Porter {
    fn changed(&self) {
        self.look();
    }

    fn push_out(&self) {
        self.look();
    }

    fn room(&self) {}

    fn pull(&self, _: bool) -> bool {
        false
    }

    fn watch(&self) -> Watch {
        Watch::Nothing
    }

    fn unwatch(&self, _: bool) {}

    fn traffic(&self) -> (Traffic, Traffic) {
        Default::default()
    }

    fn metadata(&self) -> Option<PeerMetadata> {
        None
    }
}

fn profile(socket_type: SocketType) -> Profile {
    Profile { socket_type, routing_id: Frame::new(), hello: None, conflates: false }
}

/// A socket sends so many messages while another thread looks in: all of them are taken, though nobody looks afterwards,
/// but for visits that were put off.
fn carried(messages: u32, defers: bool) {
    let near = Hub::new(profile(SocketType::Push), HubOptions { send_hwm: 0, recv_hwm: 0, seats: 1 }, Arc::default());
    let porter = std::sync::Arc::new(Porter { baton: Baton::new(None), defers, deferred: AtomicU32::new(0) });
    let hub = Hub::of_link(profile(SocketType::Pull), &porter);
    let tie = Tie::through(None, Frame::new(), near.clone());
    tie.introduce(Side::Second, hub.clone(), hub.profile());
    let (near_end, far_end) = local_pair(&tie, Directions { forth: true, back: false });
    let _ = near.join(near_end);
    hub.seat_link(&far_end);
    *porter.baton.try_take().unwrap() = Some(Load { end: far_end, hub: hub.clone(), taken: 0 });
    porter.look();
    let sender = {
        let near = near.clone();
        thread::spawn(move || {
            let mut crew = Crew::new(near, Outward::Balanced);
            for number in 0..messages {
                let key = crew.writable().unwrap();
                crew.send_to(key, &mut Message::from(number.to_le_bytes())).unwrap();
            }
            // What is left in it is not this model's.
            ManuallyDrop::new(crew)
        })
    };
    porter.look();
    let crew = sender.join().unwrap();
    if porter.deferred.load(Ordering::Acquire) > 0 {
        porter.look();
    }
    let mut held = porter.baton.try_take().expect("nobody has it");
    let load = held.take().expect("it was put there");
    assert_eq!(load.taken, messages, "a message is left where nobody looks");
    assert!(held.let_go().is_none());
    // The hub and its porter hold each other.
    hub.signal().remove();
    drop(hub.close());
    drop(ManuallyDrop::into_inner(crew));
    drop(load);
}

#[cfg(loom)]
fn explore(name: &str, program: fn()) {
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        program();
    });
    println!("loom {name}: {} executions", executions.load(std::sync::atomic::Ordering::Relaxed));
}

#[cfg(shuttle)]
fn explore(name: &str, program: fn()) {
    // Of one seed: a planted bug is found by the same schedules each time.
    shuttle::Runner::new(shuttle::scheduler::RandomScheduler::new_from_seed(1, 10_000), Default::default())
        .run(program);
    println!("shuttle {name}: 10000 executions");
}

#[test]
fn no_work_is_left_undone() {
    explore("asked(1)", || asked(1, true));
    explore("asked(2)", || asked(2, false));
}

#[test]
fn no_message_is_left_where_nobody_looks() {
    explore("carried(1)", || carried(1, false));
    explore("carried(2)", || carried(2, false));
    explore("carried(2) put off", || carried(2, true));
}

#[test]
fn planted_bugs_are_caught() {
    let caught = |plant, program| assert!(with_plant(plant, || explore(plant, program)), "{plant} was not caught");
    caught("baton-ignores-asking", || asked(1, false));
    caught("end-rests-unlooking", || carried(2, false));
    caught("porter-sleeps-on", || carried(1, false));
    if cfg!(loom) {
        // shuttle's memory is sequentially consistent.
        caught("baton-ask-relaxed", || asked(1, false));
        caught("crew-send-no-fence", || carried(2, false));
    }
}
