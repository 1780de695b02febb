//! Every format, foreign or native: bytes to values and back. No sockets.

pub mod native;
