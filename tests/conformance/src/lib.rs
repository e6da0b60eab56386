//! Outside-in suites for each storage and broker.
