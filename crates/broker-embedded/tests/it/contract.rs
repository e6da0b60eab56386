use crate::harness::Harness;

app::broker_contract!(Harness::start());
