//! One door to all developer tools.
fn main() {}
