//! A connection against a model of the kernel that completes operations in any order and with any outcome. The driver's
//! part (`driver.rs`) is modelled too: a connection that the driver does not visit again hangs.

mod driver;
mod parts;
mod step;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;

use self::step::step;
use self::world::Model;
use crate::engine::uring::state::connection::{ReceiveMode, SendMode};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn connection_neither_loses_data_nor_hangs(
        receive_mode in prop_oneof![
            Just(ReceiveMode::Multishot),
            Just(ReceiveMode::OneShot),
            Just(ReceiveMode::Stamped),
        ],
        send_mode in prop_oneof![Just(SendMode::Inline), Just(SendMode::Waiting)],
        steps in vec(step(), 1..250),
    ) {
        let mut model = Model::new(receive_mode, send_mode);
        for step in &steps {
            model.step(step);
        }
        model.finish();
    }
}
