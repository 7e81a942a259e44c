//! Services written with the official Rust SDK, the same as in python_services.py.
//!
//!     services PORT APP http2: serves one of the programs
//!     services visit URL KEY: is a client of the services

mod keyed;
mod tools;
mod tutorial;
mod visit;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use restate_sdk::prelude::*;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments[1] == "visit" {
        let heard = visit::visit(&arguments[2], &arguments[3]).await;
        println!("{}", heard.expect("a visit"));
        return;
    }
    let mut builder = Endpoint::builder();
    if let Ok(key) = std::env::var("INTEROP_IDENTITY_KEY") {
        builder = builder.identity_key(&key).expect("a public key");
    }
    let endpoint = match arguments[2].as_str() {
        "interop" => builder
            .bind(tools::Tools)
            .bind(keyed::Counter)
            .bind(keyed::Signup),
        "durable_execution" => builder.bind(tutorial::Subscriptions),
        "virtual_objects" => builder.bind(tutorial::Greeter),
        "workflows" => builder.bind(tutorial::Accounts),
        other => panic!("there is no app {other}"),
    };
    let address = format!("127.0.0.1:{}", arguments[1]);
    HttpServer::new(endpoint.build())
        .listen_and_serve(address.parse().expect("an address"))
        .await;
}

/// How often something was tried in this process, by what and for whom.
static TRIES: LazyLock<Mutex<HashMap<(String, String), i32>>> = LazyLock::new(Mutex::default);

fn tried(what: &str, name: &str) -> i32 {
    let mut tries = TRIES.lock().expect("nobody panics with it");
    let count = tries.entry((what.into(), name.into())).or_default();
    *count += 1;
    *count
}
