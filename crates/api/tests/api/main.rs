//! The people's doors from outside: real requests to the router, workers called by hand, a hand-moved clock.

mod approvals;
mod documents;
mod fleet;
mod groups;
mod history;
mod identity;
mod live;
mod reports;
mod sessions;
mod software;
mod stories;
mod tables;
mod time;
mod work;
mod world;
