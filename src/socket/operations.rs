//! The methods sockets have in common, written once: a pattern names the groups it has.

/// Making a socket, endpoints, what can be asked and changed.
macro_rules! common_operations {
    ($socket:ident) => {
        impl super::sealed::Sealed for $socket {}

        #[expect(private_interfaces, reason = "see the trait")]
        impl super::Socket for $socket {
            fn with_options(
                context: &crate::Context,
                options: &super::options::Options,
            ) -> Result<Self, crate::ContextClosed> {
                Ok(Self { core: super::held::Held::new(super::core::Core::new(context, options)?) })
            }
        }

        #[expect(private_interfaces, reason = "see the trait")]
        impl super::Pollable for $socket {
            fn watch(&mut self) -> std::sync::Arc<dyn super::Watchable> {
                self.core.watch()
            }

            fn to_drive(&self) -> std::io::Result<Option<crate::reactor::Reactor>> {
                self.core.with_ref(|core| core.to_drive())
            }

            fn is_inherited(&self) -> bool {
                self.core.is_inherited()
            }

            fn identity(&self) -> usize {
                self.core.with_ref(|core| super::watch::identity_of(core.hub()))
            }

            fn socket_type(&self) -> crate::SocketType {
                self.core.socket_type()
            }

            fn is_closed(&self) -> bool {
                self.core.is_inherited() || self.core.with_ref(|core| core.hub().is_terminated())
            }

            fn readiness(&mut self, interest: super::Interest) -> super::Interest {
                <$socket>::readiness(self, interest)
            }

            #[cfg(target_os = "linux")]
            fn edge_descriptor(&mut self) -> std::io::Result<super::Descriptor> {
                <$socket>::edge_descriptor(self)
            }
        }

        impl $socket {
            /// A socket with default options.
            ///
            /// # Errors
            /// The context has been shut down.
            pub fn new(context: &crate::Context) -> Result<Self, crate::ContextClosed> {
                Self::builder().build(context)
            }

            /// A builder, to choose options.
            pub fn builder() -> super::Builder<Self> {
                super::Builder::new()
            }

            /// Makes the socket reachable at `endpoint`. Peers that connected before are joined now. Never waits. A
            /// socket may bind and connect any number of endpoints.
            ///
            /// # Errors
            /// Not an endpoint, bound already, or the context has been shut down.
            pub fn bind(&mut self, endpoint: impl AsRef<str>) -> Result<(), super::BindError> {
                self.core.with(|core| core.bind(endpoint.as_ref().parse()))
            }

            /// Connects to `endpoint`, which may be bound later. Never waits. Connecting twice makes two connections.
            ///
            /// # Errors
            /// Not an endpoint, the socket bound there is of a type that does not talk to this one, or the context has
            /// been shut down.
            pub fn connect(&mut self, endpoint: impl AsRef<str>) -> Result<(), super::ConnectError> {
                self.core.with(|core| core.connect(endpoint.as_ref().parse()))
            }

            /// Takes `endpoint` back: nobody can connect there any more, and another socket may bind it. Connections
            /// that exist stay.
            ///
            /// # Errors
            /// Not an endpoint, or not one this socket has bound.
            pub fn unbind(&mut self, endpoint: impl AsRef<str>) -> Result<(), super::DetachError> {
                self.core.with(|core| core.unbind(endpoint.as_ref().parse()))
            }

            /// Ends every connection this socket made to `endpoint`. What a peer has been sent stays with it; what has
            /// arrived from there and was not received is lost, and counted ([`Counters::unread`](super::Counters)).
            ///
            /// # Errors
            /// Not an endpoint, or not one this socket has connected to.
            pub fn disconnect(&mut self, endpoint: impl AsRef<str>) -> Result<(), super::DetachError> {
                self.core.with(|core| core.disconnect(endpoint.as_ref().parse()))
            }

            /// What was bound or connected to last, with what was left to the system filled in: the port of `tcp://*:*`, the
            /// path of `ipc://*`. `unbind` takes it as well as what was bound. `None` before the first.
            pub fn last_endpoint(&self) -> Option<crate::Endpoint> {
                self.core.with_ref(|core| core.last_endpoint())
            }

            /// Peers connected now, and endpoints connected to that are still to be bound. May change at any time.
            pub fn peers(&self) -> usize {
                self.core.with_ref(|core| core.peers())
            }

            /// The peers there are now, those still to come among them: one for each connection.
            pub fn peer_list(&self) -> Vec<crate::monitor::PeerInfo> {
                self.core.with_ref(|core| core.peer_list())
            }

            /// A monitor, which is told what happens to the socket from now on. First it is told what is there: endpoints
            /// bound, connections, peers.
            pub fn monitor(&self) -> crate::Monitor {
                self.core.with_ref(|core| core.monitor())
            }

            /// What the socket has done so far.
            pub fn counters(&self) -> super::Counters {
                self.core.with_ref(|core| core.counters())
            }

            /// A descriptor that is readable while the socket is ready for what `interest` says: for event loops that
            /// know nothing of this library. It exists until it is dropped, and costs a look per call meanwhile, and a
            /// system call whenever the socket becomes ready and whenever it ceases to be. See
            /// [`Descriptor`](super::Descriptor) for the one correct loop.
            ///
            /// # Errors
            /// The system has no descriptor left.
            #[cfg(target_os = "linux")]
            pub fn descriptor(&mut self, interest: super::Interest) -> std::io::Result<super::Descriptor> {
                let driven = super::Pollable::to_drive(self)?;
                let descriptor = super::Descriptor::new(self.core.watch(), interest)?.beside(driven)?;
                self.core.with(|_| ());
                Ok(descriptor)
            }

            /// What is known of the peer `peer`: who it says it is, and where it is. `None` if it is no peer of this socket,
            /// or not any more, or still to come. Takes a lock and looks through all peers: for once per peer, not per
            /// message.
            pub fn peer_metadata(&self, peer: crate::PeerId) -> Option<crate::monitor::PeerMetadata> {
                self.core.with_ref(|core| core.peer_metadata(peer))
            }

            /// Takes over what `builder` says, as far as a socket can change. Never waits, and cannot fail.
            ///
            /// At once, for connections there are too: high-water marks, how calls wait and for how long, linger. From the
            /// next call on: what the pattern does (of REQ, ROUTER, PUB, XPUB, SUB). For endpoints bound or connected to
            /// from now on: routing id, greetings, conflation, and everything about streams; endpoints there are stay as
            /// they were, whoever comes to them. For monitors from now on: how much they hold. Not looked at: subscriptions.
            pub fn reconfigure(&mut self, builder: &super::Builder<Self>) {
                self.core.with(|core| core.reconfigure(&builder.options));
            }

            /// A descriptor that becomes readable when the socket turns ready for something it was found not to be ready
            /// for, as libzmq's `ZMQ_FD` does: for programs written for that. See
            /// [`Descriptor`](super::Descriptor#of-news) for what such a program has to keep to;
            /// [`descriptor`](Self::descriptor) asks less of it.
            ///
            /// # Errors
            /// The system has no descriptor left.
            #[cfg(target_os = "linux")]
            pub fn edge_descriptor(&mut self) -> std::io::Result<super::Descriptor> {
                let driven = super::Pollable::to_drive(self)?;
                let descriptor = super::Descriptor::of_news(self.core.watch())?.beside(driven)?;
                self.core.with(|_| ());
                Ok(descriptor)
            }

            /// Which of `interest` the socket is ready for: a call that receives, or one that sends, would return at
            /// once, with an error that says so if the context has been shut down. Never waits. Where no thread looks
            /// after the context's streams, it does so once first.
            ///
            /// This is what answers an [`edge_descriptor`](Self::edge_descriptor): it is not readable any more, until the
            /// socket turns ready for something of `interest` that is missing from the answer.
            pub fn readiness(&mut self, interest: super::Interest) -> super::Interest {
                self.core.with(|core| core.answer(interest))
            }

            /// Changes how waiting calls idle, from the next one on.
            pub fn set_wait(&mut self, policy: crate::WaitPolicy) {
                self.core.with(|core| core.set_wait(policy));
            }

            /// Changes whether signals end waits, from the next one on. See [`Builder::interruptible`](super::Builder::interruptible).
            pub fn set_interruptible(&mut self, interruptible: bool) {
                self.core.with(|core| core.set_interruptible(interruptible));
            }
        }
    };
}

/// All of sending, for patterns that choose among their peers by themselves and before they know the message.
macro_rules! sending_operations {
    ($socket:ident) => {
        single_sending_operations!($socket);
        batch_sending_operations!($socket);
        reserving_operations!($socket);
        loaning_operations!($socket);
    };
}

/// Sending in batches.
macro_rules! batch_sending_operations {
    ($socket:ident) => {
        impl $socket {
            /// Sends all of `messages` in order, taking them off the front, and tells each peer once; waits for room as
            /// long as it takes. Returns how many were sent: all, unless it fails.
            ///
            /// # Errors
            /// As [`send`](Self::send). What was not sent is still in `messages`.
            pub fn send_batch(
                &mut self,
                messages: &mut std::collections::VecDeque<crate::Message>,
            ) -> Result<usize, super::SendFailure> {
                let (count, result) = self.core.with(|core| core.send_batch_by(messages, super::core::Until::AsSet));
                result.map(|()| count)
            }

            /// Sends as many of `messages` as there is room for now, taking them off the front. Returns how many, and
            /// never waits.
            ///
            /// # Errors
            /// Nothing could be sent, for the reasons of [`try_send`](Self::try_send).
            pub fn try_send_batch(
                &mut self,
                messages: &mut std::collections::VecDeque<crate::Message>,
            ) -> Result<usize, super::SendFailure> {
                match self.core.with(|core| core.send_batch_by(messages, super::core::Until::Now)) {
                    (0, Err(failure)) => Err(failure),
                    (count, _) => Ok(count),
                }
            }
        }
    };
}

/// Reserving, for patterns that choose among their peers by themselves.
macro_rules! reserving_operations {
    ($socket:ident) => {
        impl $socket {
            /// Reserves a place with the peer whose turn it is among those with room; waits for one as long as it takes.
            ///
            /// # Errors
            /// The context has been shut down.
            pub fn reserve(&mut self) -> Result<super::Permit<'_, Self>, super::SendFailure> {
                let reserve = |core: &mut super::core::Core<_>| {
                    core.reserve_by(super::core::Until::AsSet, super::pattern::Sending::reserve)
                };
                let place = self.core.with(reserve)?;
                Ok(super::Permit::new(self, place))
            }

            /// Reserves a place if a peer has room now. Never waits; the answer is exact.
            ///
            /// # Errors
            /// Every peer is full, there is none, or the context has been shut down.
            pub fn try_reserve(&mut self) -> Result<super::Permit<'_, Self>, super::SendFailure> {
                let reserve = |core: &mut super::core::Core<_>| {
                    core.reserve_by(super::core::Until::Now, super::pattern::Sending::reserve)
                };
                let place = self.core.with(reserve)?;
                Ok(super::Permit::new(self, place))
            }
        }
    };
}

/// Lending room for messages that are written in place, for patterns that choose among their peers by themselves.
macro_rules! loaning_operations {
    ($socket:ident) => {
        impl $socket {
            /// Room for a message of one frame of `len` bytes, to be written in place and committed; waits for it as
            /// [`send`](Self::send) does. Over shared memory with a message that a record holds it is where the peer reads it; see
            /// [`Loan`](super::Loan).
            ///
            /// # Errors
            /// As [`send`](Self::send), but for those that need the message to be seen; also when there is no memory for so
            /// many bytes.
            pub fn loan(&mut self, len: usize) -> Result<super::Loan<'_, Self>, super::SendFailure> {
                self.loan_by(len, super::core::Until::AsSet)
            }

            /// As [`loan`](Self::loan), if there is room now. Never waits; the answer is exact.
            ///
            /// # Errors
            /// As `loan`; also when there is no room, or no peer that has to have it.
            pub fn try_loan(&mut self, len: usize) -> Result<super::Loan<'_, Self>, super::SendFailure> {
                self.loan_by(len, super::core::Until::Now)
            }

            /// As [`loan`](Self::loan), but waits for room `timeout` at the most.
            ///
            /// # Errors
            /// As `loan`; also when none came up in time.
            pub fn loan_timeout(
                &mut self,
                len: usize,
                timeout: std::time::Duration,
            ) -> Result<super::Loan<'_, Self>, super::SendFailure> {
                self.loan_by(len, super::core::Until::After(timeout))
            }

            fn loan_by(
                &mut self,
                len: usize,
                until: super::core::Until,
            ) -> Result<super::Loan<'_, Self>, super::SendFailure> {
                let lent = self.core.with(|core| core.loan_by(len, until, super::pattern::Sending::reserve))?;
                Ok(super::Loan::new(self, lent))
            }
        }
    };
}

/// Sending message by message.
macro_rules! single_sending_operations {
    ($socket:ident) => {
        #[expect(private_interfaces, reason = "see the trait")]
        impl super::Sends for $socket {
            fn commit(
                &mut self,
                place: super::permit::Place,
                message: &mut crate::Message,
            ) -> Result<(), super::SendFailure> {
                self.core.with(|core| core.commit(place, message))
            }

            fn commit_loan(
                &mut self,
                place: super::permit::Place,
                lent: super::loan::Lent,
            ) -> Result<(), super::SendError> {
                self.core.with(|core| core.commit_loan(place, lent))
            }

            fn send(&mut self, message: crate::Message) -> Result<(), super::SendError> {
                <$socket>::send(self, message)
            }

            fn try_send(&mut self, message: crate::Message) -> Result<(), super::SendError> {
                <$socket>::try_send(self, message)
            }

            fn can_send(&mut self) -> bool {
                <$socket>::can_send(self)
            }

            fn admit(&mut self, first: &crate::Frame) -> Result<super::Admission, super::SendFailure> {
                <$socket>::admit(self, first)
            }

            fn try_admit(&mut self, first: &crate::Frame) -> Result<super::Admission, super::SendFailure> {
                <$socket>::try_admit(self, first)
            }

            fn send_admitted(
                &mut self,
                admission: super::Admission,
                message: crate::Message,
            ) -> Result<(), super::SendError> {
                <$socket>::send_admitted(self, admission, message)
            }
        }

        impl $socket {
            /// Sends `message`; waits for room as long as it takes, if the pattern needs any.
            ///
            /// # Errors
            /// The message has no frame, memory ran out, or the context has been shut down. The message comes back.
            #[inline(always)]
            pub fn send(&mut self, message: impl Into<crate::Message>) -> Result<(), super::SendError> {
                let mut message = message.into();
                let result = self.core.with(|core| core.send_by(&mut message, super::core::Until::AsSet));
                result.map_err(|reason| super::SendError::returning(&mut message, reason))
            }

            /// Sends `message` if there is room now. Never waits; the answer is exact.
            ///
            /// # Errors
            /// As [`send`](Self::send); also when there is no room, or no peer that has to have it. The message comes back.
            #[inline(always)]
            pub fn try_send(&mut self, message: impl Into<crate::Message>) -> Result<(), super::SendError> {
                let mut message = message.into();
                let result = self.core.with(|core| core.send_by(&mut message, super::core::Until::Now));
                result.map_err(|reason| super::SendError::returning(&mut message, reason))
            }

            /// Sends `message`; waits for room, `timeout` at the most.
            ///
            /// # Errors
            /// As [`send`](Self::send); also when none came up in time. The message comes back.
            pub fn send_timeout(
                &mut self,
                message: impl Into<crate::Message>,
                timeout: std::time::Duration,
            ) -> Result<(), super::SendError> {
                let mut message = message.into();
                let result = self.core.with(|core| core.send_by(&mut message, super::core::Until::After(timeout)));
                result.map_err(|reason| super::SendError::returning(&mut message, reason))
            }

            /// Decides on a message whose first frame is `first`: may it be sent, and to whom? Waits as
            /// [`send`](Self::send) does. For programs that have a message frame by frame; see
            /// [`Admission`](super::Admission).
            ///
            /// # Errors
            /// As [`send`](Self::send), but for those that need the whole message to be seen.
            pub fn admit(&mut self, first: &crate::Frame) -> Result<super::Admission, super::SendFailure> {
                self.core.with(|core| core.admit_by(first, super::core::Until::AsSet))
            }

            /// As [`admit`](Self::admit), without waiting.
            ///
            /// # Errors
            /// As [`try_send`](Self::try_send), but for those that need the whole message to be seen.
            pub fn try_admit(&mut self, first: &crate::Frame) -> Result<super::Admission, super::SendFailure> {
                self.core.with(|core| core.admit_by(first, super::core::Until::Now))
            }

            /// Sends `message`, its first frame included, which was admitted. Never waits.
            ///
            /// If the peer it was to go to has left meanwhile, it goes to the next in turn that has room, where messages are
            /// handed out in turn; otherwise, or if there is none, it is dropped and counted.
            ///
            /// # Errors
            /// The message has no frame, memory ran out, or the context has been shut down; of REQ and REP, it is not their
            /// turn any more. The message comes back.
            pub fn send_admitted(
                &mut self,
                admission: super::Admission,
                message: impl Into<crate::Message>,
            ) -> Result<(), super::SendError> {
                let mut message = message.into();
                let result = self.core.with(|core| core.send_admitted(admission, &mut message));
                result.map_err(|reason| super::SendError::returning(&mut message, reason))
            }

            /// Would [`try_send`](Self::try_send) send now? May become true at any time; becomes false behind our back
            /// only if a peer leaves.
            pub fn can_send(&mut self) -> bool {
                self.core.is_inherited() || self.core.with(|core| core.can_send())
            }

            /// Our part of the high-water marks, in messages; 0 means no limit.
            pub fn send_hwm(&self) -> u32 {
                self.core.with_ref(|core| core.hwm().0)
            }

            /// Changes our part of the high-water marks, for connections to come and those there are. A queue that holds
            /// more than a lowered mark takes nothing until it holds less.
            pub fn set_send_hwm(&mut self, messages: u32) {
                self.core.with(|core| core.set_hwm(Some(messages), None));
            }

            /// Changes how long messages outlive the socket where an endpoint is still to be bound.
            pub fn set_linger(&mut self, linger: std::time::Duration) {
                self.core.with(|core| core.set_linger(linger));
            }
        }
    };
}

/// Receiving, for patterns that take from all peers in turn.
macro_rules! receiving_operations {
    ($socket:ident) => {
        single_receiving_operations!($socket);
        batch_receiving_operations!($socket);
    };
}

/// Receiving in batches.
macro_rules! batch_receiving_operations {
    ($socket:ident) => {
        impl $socket {
            /// Adds up to `max` messages to `messages` and tells each peer once; waits for the first as long as it
            /// takes. Returns how many; 0 only if `max` is 0.
            ///
            /// # Errors
            /// As [`recv`](Self::recv).
            pub fn recv_batch(
                &mut self,
                messages: &mut Vec<crate::Message>,
                max: usize,
            ) -> Result<usize, super::RecvError> {
                self.core.with(|core| core.recv_batch_by(messages, max, super::core::Until::AsSet))
            }

            /// Adds up to `max` messages that are there to `messages`. Never waits. Returns how many.
            ///
            /// # Errors
            /// As [`try_recv`](Self::try_recv).
            pub fn try_recv_batch(
                &mut self,
                messages: &mut Vec<crate::Message>,
                max: usize,
            ) -> Result<usize, super::RecvError> {
                self.core.with(|core| core.recv_batch_by(messages, max, super::core::Until::Now))
            }
        }
    };
}

/// Receiving message by message.
macro_rules! single_receiving_operations {
    ($socket:ident) => {
        impl super::Receives for $socket {
            fn recv(&mut self) -> Result<crate::Message, super::RecvError> {
                <$socket>::recv(self)
            }

            fn try_recv(&mut self) -> Result<crate::Message, super::RecvError> {
                <$socket>::try_recv(self)
            }

            fn last_sender(&self) -> Option<crate::PeerId> {
                <$socket>::last_sender(self)
            }
        }

        impl $socket {
            /// The next message; waits for one as long as it takes.
            ///
            /// # Errors
            /// The context has been shut down, and all that had arrived has been taken.
            #[inline(always)]
            pub fn recv(&mut self) -> Result<crate::Message, super::RecvError> {
                self.core.with(|core| core.recv_by(super::core::Until::AsSet))
            }

            /// The next message, if one is there. Never waits.
            ///
            /// # Errors
            /// None is there, or the context has been shut down.
            #[inline(always)]
            pub fn try_recv(&mut self) -> Result<crate::Message, super::RecvError> {
                self.core.with(|core| core.recv_by(super::core::Until::Now))
            }

            /// The next message; waits for one, `timeout` at the most.
            ///
            /// # Errors
            /// None came in time, or the context has been shut down.
            pub fn recv_timeout(&mut self, timeout: std::time::Duration) -> Result<crate::Message, super::RecvError> {
                self.core.with(|core| core.recv_by(super::core::Until::After(timeout)))
            }

            /// Whom the message received last came from: which peer, for [`peer_metadata`](Self::peer_metadata). `None`
            /// before the first message, for one that came within the process, and for what this socket tells itself, as an
            /// XPUB does of subscriptions.
            pub fn last_sender(&self) -> Option<crate::PeerId> {
                self.core.with_ref(|core| core.last_sender())
            }

            /// Would a call that receives return at once, for another reason than that it is not its turn? May become true
            /// at any time.
            pub fn can_recv(&mut self) -> bool {
                self.core.is_inherited() || self.core.with(|core| core.can_recv())
            }

            /// Our part of the high-water marks, in messages; 0 means no limit.
            pub fn recv_hwm(&self) -> u32 {
                self.core.with_ref(|core| core.hwm().1)
            }

            /// Changes our part of the high-water marks, for connections to come and those there are.
            pub fn set_recv_hwm(&mut self, messages: u32) {
                self.core.with(|core| core.set_hwm(None, Some(messages)));
            }
        }
    };
}
