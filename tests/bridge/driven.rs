//! Sockets of contexts without threads: the worker looks after their streams.

use std::sync::mpsc;

use ringway::{
    Context, Dealer, Router, WaitPolicy,
    actor::{Ctx, Spec, kit::Stage},
    bridge::Received,
};

use crate::{
    PATIENCE,
    cast::{Owner, Props, Say, once, one, text},
};

fn echo(owner: &mut Owner<Router>, received: Received, _: &mut Ctx<'_, Owner<Router>>) {
    owner.port.try_send(received.unwrap().message).unwrap();
}

fn bound(context: &Context) -> (Router, String) {
    let mut router = Router::new(context).unwrap();
    router.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = router.last_endpoint().unwrap().to_string();
    (router, endpoint)
}

#[test]
fn a_worker_serves_the_streams_of_its_sockets_however_it_waits() {
    for policy in [WaitPolicy::Park, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        let (context, elsewhere) = (Context::builder().caller_driven().build(), Context::new());
        let (router, endpoint) = bound(&context);
        let runtime = one(policy);
        let mut client = runtime.client().unwrap();
        let (says, said) = mpsc::channel();
        let props = Props { socket: once(router), says, react: echo };
        let owner = client.spawn(Spec::<Owner<Router>>::new(props)).unwrap();
        let mut dealer = Dealer::new(&elsewhere).unwrap();
        dealer.connect(endpoint).unwrap();
        for number in 0..300 {
            dealer.send(format!("{number}")).unwrap();
            assert_eq!(text(&dealer.recv_timeout(PATIENCE).unwrap()), format!("{number}"));
            if number % 10 == 0 {
                client.tell(owner, Say("ring")).unwrap();
                assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "ring");
            }
        }
    }
}

#[test]
fn so_does_a_stage() {
    let (context, elsewhere) = (Context::builder().caller_driven().build(), Context::new());
    let (router, endpoint) = bound(&context);
    let mut stage = Stage::new(2, 3);
    let (says, _said) = mpsc::channel();
    stage.spawn_on(1, Spec::<Owner<Router>>::new(Props { socket: once(router), says, react: echo })).unwrap();
    let mut dealer = Dealer::new(&elsewhere).unwrap();
    dealer.connect(endpoint).unwrap();
    for number in 0..20 {
        dealer.send(format!("{number}")).unwrap();
        crate::wait_until("the echo comes", || {
            stage.settle();
            dealer.can_recv()
        });
        assert_eq!(text(&dealer.recv().unwrap()), format!("{number}"));
    }
}
