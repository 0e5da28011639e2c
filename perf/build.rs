//! Links the system's libzmq, and only when the peers are built.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_PEERS").is_some() {
        println!("cargo:rustc-link-lib=zmq");
    }
}
