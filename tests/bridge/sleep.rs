//! A worker with nothing to do sleeps, and whatever comes wakes it.

use std::{sync::mpsc, time::Duration};

use ringway::{
    Context, Pull, Push, WaitPolicy,
    actor::{Ctx, Handle, Spec},
};

use crate::{
    PATIENCE,
    cast::{Owner, Props, Say, act, once, one},
};

/// A timer has run out.
struct Ring;

impl Handle<Ring> for Owner<Pull> {
    type Reply = ();

    fn on(&mut self, _: Ring, _: &mut Ctx<'_, Self>) {
        self.say("timer");
    }
}

fn set(delay: Duration) -> crate::cast::Do<Pull, ()> {
    act(move |_: &mut Owner<Pull>, ctx| _ = ctx.after(delay, Ring))
}

/// Is that thread asleep, as the system sees it?
#[cfg(target_os = "linux")]
fn is_asleep(thread: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('S')
}

#[cfg(target_os = "linux")]
#[test]
fn it_sleeps_and_is_woken_by_a_socket_a_ring_and_a_timer() {
    use crate::wait_until;
    for road in ["inproc://sleep", "ipc://*", "tcp://127.0.0.1:*"] {
        for policy in [WaitPolicy::Park, WaitPolicy::Adaptive] {
            let context = Context::new();
            let mut pull = Pull::new(&context).unwrap();
            pull.bind(road).unwrap();
            let mut push = Push::new(&context).unwrap();
            push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
            let runtime = one(policy);
            let mut client = runtime.client().unwrap();
            let (says, said) = mpsc::channel();
            let props = Props { socket: once(pull), says, react: Owner::listen };
            let owner = client.spawn(Spec::<Owner<Pull>>::new(props)).unwrap();
            // SAFETY: it only tells the number of the thread that calls.
            let thread = client.ask(owner, act(|_: &mut Owner<Pull>, _| unsafe { libc::gettid() }), PATIENCE).unwrap();
            let sleeps = || {
                // Often in a row: a thread that turns is seen awake.
                let mut seen = 0;
                wait_until("the worker sleeps", || {
                    seen = if is_asleep(thread) { seen + 1 } else { 0 };
                    seen == 5
                });
            };
            for round in 0..10 {
                sleeps();
                push.send(format!("socket {round}")).unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), format!("socket {round}"));
                sleeps();
                client.tell(owner, Say("ring")).unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "ring");
                client.ask(owner, set(Duration::from_millis(3)), PATIENCE).unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "timer");
            }
            sleeps();
        }
    }
}

/// Each as soon as the one before was heard of: the worker is about to sleep, or has just begun to.
#[test]
fn no_wake_up_is_lost_in_between() {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let context = Context::new();
        let mut pull = Pull::new(&context).unwrap();
        pull.bind("inproc://quick").unwrap();
        let mut push = Push::new(&context).unwrap();
        push.connect("inproc://quick").unwrap();
        let runtime = one(policy);
        let mut client = runtime.client().unwrap();
        let (says, said) = mpsc::channel();
        let props = Props { socket: once(pull), says, react: Owner::listen };
        let owner = client.spawn(Spec::<Owner<Pull>>::new(props)).unwrap();
        for round in 0..2000 {
            // Between a bit and some microseconds later than the answer.
            (0..(round * 7) % 300).for_each(|_| std::hint::spin_loop());
            if round % 3 == 0 {
                client.tell(owner, Say("ring")).unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "ring");
            } else {
                push.send("socket").unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "socket");
            }
            if round % 500 == 0 {
                client.tell(owner, set(Duration::from_micros(50))).unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "timer");
            }
        }
    }
}
