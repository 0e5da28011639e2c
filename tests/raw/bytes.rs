//! The bytes of ZMTP.

/// Bytes of a greeting.
pub(crate) const GREETING_LEN: usize = 64;
/// Bytes of a greeting that look like the long identity frame of ZMTP 1.0.
pub(crate) const SIGNATURE_LEN: usize = 10;

pub(crate) const MORE: u8 = 0x01;
pub(crate) const LONG: u8 = 0x02;
pub(crate) const COMMAND: u8 = 0x04;

/// A greeting of ZMTP 3.`minor`, mechanism NULL, as libzmq's: the padding has the length of an identity, plus one.
pub(crate) fn greeting(minor: u8) -> [u8; GREETING_LEN] {
    let mut greeting = [0; GREETING_LEN];
    greeting[0] = 0xFF;
    greeting[8] = 1;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[11] = minor;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// A greeting with another mechanism.
pub(crate) fn greeting_of(mechanism: &[u8]) -> [u8; GREETING_LEN] {
    let mut greeting = greeting(1);
    greeting[12..32].fill(0);
    greeting[12..][..mechanism.len()].copy_from_slice(mechanism);
    greeting
}

/// Is it one of 3.1, NULL, that is no server's? The padding is nobody's business.
pub(crate) fn check_greeting(bytes: &[u8]) {
    let hex = super::Hex(bytes);
    assert_eq!((bytes[0], bytes[9]), (0xFF, 0x7F), "the signature of {hex}");
    assert_eq!(bytes[10..12], [3, 1], "the version in {hex}");
    assert_eq!(bytes[12..32], *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "the mechanism in {hex}");
    assert!(bytes[32..].iter().all(|byte| *byte == 0), "as-server and filler of {hex}");
}

/// A frame with its length in the short form if it fits. `flags` without LONG.
pub(crate) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    match u8::try_from(body.len()) {
        Ok(len) => [&[flags, len], body].concat(),
        Err(_) => long_frame(flags, body),
    }
}

/// A frame with its length in the long form.
pub(crate) fn long_frame(flags: u8, body: &[u8]) -> Vec<u8> {
    [&[flags | LONG], &(body.len() as u64).to_be_bytes()[..], body].concat()
}

pub(crate) fn message(frames: &[&[u8]]) -> Vec<u8> {
    let last = frames.len() - 1;
    frames.iter().enumerate().flat_map(|(place, body)| frame(if place < last { MORE } else { 0 }, body)).collect()
}

pub(crate) fn command(name: &str, data: &[u8]) -> Vec<u8> {
    frame(COMMAND, &command_body(name, data))
}

pub(crate) fn command_body(name: &str, data: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), data].concat()
}

pub(crate) fn property_bytes(name: &str, value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), &(value.len() as u32).to_be_bytes()[..], value].concat()
}

/// READY with the properties libzmq sends: an identity for the types that have one, even if it is empty.
pub(crate) fn ready(socket_type: &str, identity: &[u8]) -> Vec<u8> {
    let mut data = property_bytes("Socket-Type", socket_type.as_bytes());
    if matches!(socket_type, "REQ" | "DEALER" | "ROUTER") {
        data.extend(property_bytes("Identity", identity));
    }
    command("READY", &data)
}

/// READY as a socket of ours says it over `road`: with what others pass over, where memory could be shared.
pub(crate) fn our_ready(road: super::Road, socket_type: &str, identity: &[u8]) -> Vec<u8> {
    let ready = ready(socket_type, identity);
    match road {
        super::Road::Tcp => ready,
        super::Road::Ipc => frame(COMMAND, &[&ready[2..], &property_bytes("X-Ringway-Memory", b"1")].concat()),
    }
}

/// The value of a property in the body of READY.
pub(crate) fn property(body: &[u8], name: &str) -> Option<Vec<u8>> {
    properties(body).into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// The properties in the body of READY, in order.
pub(crate) fn properties(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut rest = body.strip_prefix(b"\x05READY").unwrap_or_else(|| panic!("{} is not READY", super::Hex(body)));
    let mut properties = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest[1..].split_at(rest[0].into());
        let (len, after) = after.split_at(4);
        let (value, after) = after.split_at(u32::from_be_bytes(len.try_into().expect("four bytes")) as usize);
        properties.push((String::from_utf8(name.to_vec()).expect("names are ASCII"), value.to_vec()));
        rest = after;
    }
    properties
}

/// `ttl` in tenths of a second.
pub(crate) fn ping(ttl: u16, context: &[u8]) -> Vec<u8> {
    command("PING", &[&ttl.to_be_bytes()[..], context].concat())
}

pub(crate) fn pong(context: &[u8]) -> Vec<u8> {
    command("PONG", context)
}

pub(crate) fn error(reason: &str) -> Vec<u8> {
    command("ERROR", &[&[reason.len() as u8], reason.as_bytes()].concat())
}

pub(crate) fn subscribe(topic: &[u8]) -> Vec<u8> {
    command("SUBSCRIBE", topic)
}

pub(crate) fn cancel(topic: &[u8]) -> Vec<u8> {
    command("CANCEL", topic)
}

/// As ZMTP 3.0 says it: a message of one frame.
pub(crate) fn subscribe_message(topic: &[u8]) -> Vec<u8> {
    frame(0, &[&[1], topic].concat())
}

pub(crate) fn cancel_message(topic: &[u8]) -> Vec<u8> {
    frame(0, &[&[0], topic].concat())
}

/// What a peer of `socket_type` says from the first byte to the last of its handshake.
pub(crate) fn opening(socket_type: &str) -> Vec<u8> {
    [&greeting(1)[..], &ready(socket_type, b"")].concat()
}

/// Bytes written as libzmq's recordings are: pairs of digits, blanks and bars between them.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("two digits"))
        .collect()
}
