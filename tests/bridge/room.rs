//! When a socket can send again.

use std::sync::mpsc;

use ringway::{Context, Pull, Push, WaitPolicy, actor::Spec};

use crate::{
    PATIENCE,
    cast::{Speak, Talker, TellRoom, one, text},
    wait_until,
};

#[test]
fn room_is_told_once_when_there_is_some_over_each_road() {
    for road in ["inproc://room", "ipc://*", "tcp://127.0.0.1:*"] {
        let context = Context::new();
        let mut pull = Pull::builder().recv_hwm(4).build(&context).unwrap();
        pull.bind(road).unwrap();
        let mut push = Push::builder().send_hwm(4).build(&context).unwrap();
        push.connect(pull.last_endpoint().unwrap().to_string()).unwrap();
        let runtime = one(WaitPolicy::Park);
        let mut client = runtime.client().unwrap();
        let (says, said) = mpsc::channel();
        let talker = client.spawn(Spec::<Talker<Push>>::new((push, says))).unwrap();
        let (mut sent, mut taken) = (0, 0);
        let long = "x".repeat(10_000);
        for _ in 0..10 {
            // Until there is no room, for good: a stream takes some away while we look.
            let mut refused = 0;
            while refused < 3 {
                match client.ask(talker, Speak(format!("{long}{sent}")), PATIENCE).unwrap() {
                    Ok(()) => (sent, refused) = (sent + 1, 0),
                    Err(why) => {
                        assert_eq!(why, "Full");
                        refused += 1;
                        // The stream's thread tells nobody what it takes.
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                }
                assert!(sent < 100_000, "there is an end to it");
            }
            assert!(!client.ask(talker, TellRoom, PATIENCE).unwrap());
            while taken < sent {
                assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), format!("{long}{taken}"));
                taken += 1;
            }
            assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "room");
            assert_eq!(client.ask(talker, Speak(format!("{long}{sent}")), PATIENCE).unwrap(), Ok(()));
            sent += 1;
            assert!(said.try_recv().is_err(), "it is told once");
        }
    }
}

#[test]
fn whoever_has_room_is_told_at_once_and_a_second_wish_replaces_the_first() {
    let context = Context::new();
    let (mut push, mut pull) = (Push::new(&context).unwrap(), Pull::new(&context).unwrap());
    push.bind("inproc://late").unwrap();
    let runtime = one(WaitPolicy::Park);
    let mut client = runtime.client().unwrap();
    let (says, said) = mpsc::channel();
    let talker = client.spawn(Spec::<Talker<Push>>::new((push, says))).unwrap();
    // Nobody is there to send to.
    assert!(!client.ask(talker, TellRoom, PATIENCE).unwrap());
    assert!(client.ask(talker, TellRoom, PATIENCE).unwrap());
    assert!(said.try_recv().is_err());
    pull.connect("inproc://late").unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "room");
    // It has room, and was told: it may ask again.
    assert!(!client.ask(talker, TellRoom, PATIENCE).unwrap());
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "room");
    client.stop(talker.id());
    client.wait_for_end(talker.id(), PATIENCE).unwrap();
    wait_until("two wishes, and one before", || matches!(said.try_recv(), Err(mpsc::TryRecvError::Disconnected)));
}
