//! Every fuzz target, for a moment, with bytes that are the same in every run.

#[path = "../fuzz/targets.rs"]
mod targets;

use connection_handler::testing::Mutations;

#[test]
fn no_bytes_confuse_the_framing() {
    for (name, target, corpus) in targets::TARGETS {
        println!("{name}");
        let corpus = corpus.iter().map(|bytes| bytes.to_vec());
        Mutations::new(1, corpus).take(20_000).for_each(|bytes| target(&bytes));
    }
}
