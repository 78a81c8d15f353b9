//! Some thousand of what `cargo fuzz` would make millions of.

#[path = "../fuzz/targets.rs"]
mod targets;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_good_ticket_that_is_cut_and_changed_admits_nobody_else(
        from in 0_usize..400,
        cut in 0_usize..400,
        put in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'.'), b'A'..=b'z'], 0..8),
    ) {
        let mut bytes = targets::good().into_bytes();
        let from = from.min(bytes.len());
        let to = (from + cut % 9).min(bytes.len());
        bytes.splice(from..to, put);
        targets::check(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        targets::check(&bytes);
    }
}
