//! Sockets on a stage: turned by hand, in an order that a seed decides.

use std::{sync::mpsc, time::Duration};

use ringway::{
    Context, Dealer, Pull, Push, Router,
    actor::{Ctx, Spec, kit::Stage},
    bridge::{self, Received},
};

use crate::cast::{Line, Lines, Owner, Props, Scribe, Speak, Talker, TellRoom, once, text, word};

fn echo(owner: &mut Owner<Router>, received: Received, _: &mut Ctx<'_, Owner<Router>>) {
    owner.port.try_send(received.unwrap().message).unwrap();
}

#[test]
fn a_step_takes_what_has_come_and_settling_takes_all() {
    let context = Context::new();
    let mut router = Router::new(&context).unwrap();
    router.bind("inproc://stage").unwrap();
    let mut dealer = Dealer::new(&context).unwrap();
    dealer.connect("inproc://stage").unwrap();
    let mut stage = Stage::new(2, 5);
    let (says, _said) = mpsc::channel();
    stage.spawn_on(1, Spec::<Owner<Router>>::new(Props { socket: once(router), says, react: echo })).unwrap();
    stage.settle();
    assert!(!stage.step(), "nothing has come");
    for round in 0..50 {
        (0..10).for_each(|number| dealer.send(format!("{round} {number}")).unwrap());
        assert!(dealer.try_recv().is_err(), "nothing happens by itself");
        assert!(stage.step());
        stage.settle();
        for number in 0..10 {
            assert_eq!(text(&dealer.try_recv().unwrap()), format!("{round} {number}"));
        }
        assert!(!stage.step());
    }
}

fn play(seed: u64, capacity: u32) -> (Vec<String>, u64) {
    let context = Context::new();
    let mut pull = Pull::builder().recv_hwm(0).build(&context).unwrap();
    pull.bind("inproc://played").unwrap();
    let mut push = Push::builder().send_hwm(0).build(&context).unwrap();
    push.connect("inproc://played").unwrap();
    let mut stage = Stage::new(3, seed);
    let scribe = stage.spawn_on(2, Spec::<Scribe>::new(()).capacity(capacity)).unwrap();
    let line = |received: Received| Line(word(&received));
    stage.spawn_on(0, bridge::forward(pull, scribe.recipient(), line)).unwrap();
    (0..500).for_each(|number| push.send(format!("{number}")).unwrap());
    let mut steps = 0;
    while stage.step() {
        steps += 1;
        assert!(steps < 100_000, "it comes to an end");
    }
    stage.advance(Duration::from_secs(1));
    (stage.ask(scribe, Lines).unwrap(), steps)
}

#[test]
fn what_is_played_with_sockets_is_the_same_for_the_same_seed() {
    for seed in 0..30 {
        for capacity in [1, 2, 7, 64] {
            let (lines, steps) = play(seed, capacity);
            assert!(lines.iter().enumerate().all(|(number, line)| *line == format!("{number}")));
            assert_eq!(lines.len(), 500);
            assert_eq!(play(seed, capacity), (lines, steps));
        }
    }
}

#[test]
fn room_to_send_is_told_on_a_stage() {
    let context = Context::new();
    let mut pull = Pull::builder().recv_hwm(2).build(&context).unwrap();
    pull.bind("inproc://narrow").unwrap();
    let mut push = Push::builder().send_hwm(2).build(&context).unwrap();
    push.connect("inproc://narrow").unwrap();
    let mut stage = Stage::new(1, 1);
    let (says, said) = mpsc::channel();
    let talker = stage.spawn_on(0, Spec::<Talker<Push>>::new((push, says))).unwrap();
    let mut sent = 0;
    while stage.ask(talker, Speak(format!("{sent}"))).unwrap().is_ok() {
        sent += 1;
        assert!(sent < 100);
    }
    assert_eq!(stage.ask(talker, TellRoom), Ok(false));
    stage.settle();
    assert!(said.try_recv().is_err(), "there is none");
    (0..sent).for_each(|number| assert_eq!(text(&pull.try_recv().unwrap()), format!("{number}")));
    stage.settle();
    assert_eq!(said.try_recv().as_deref(), Ok("room"));
    assert_eq!(stage.ask(talker, Speak("more".into())), Ok(Ok(())));
}
