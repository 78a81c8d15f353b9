//! Every fuzz target, for a moment, with bytes that are the same in every run.

#[path = "../fuzz/targets.rs"]
mod targets;
#[cfg(feature = "websocket")]
#[path = "../fuzz/web.rs"]
mod web;

use connection_handler::testing::Mutations;

fn run(target: fn(&[u8]), corpus: &[&[u8]], times: usize) {
    let corpus = corpus.iter().map(|bytes| bytes.to_vec());
    Mutations::new(1, corpus.clone()).take(times).chain(corpus).for_each(|bytes| target(&bytes));
}

#[test]
fn no_bytes_confuse_the_framing() {
    for (name, target, corpus) in targets::TARGETS {
        println!("{name}");
        run(target, corpus, 20_000);
    }
}

#[cfg(feature = "websocket")]
#[test]
fn no_bytes_confuse_the_web() {
    for (name, target, corpus) in web::TARGETS {
        println!("{name}");
        // A server for each.
        let times = if name == "http" { 1000 } else { 20_000 };
        run(target, corpus, times);
    }
}
