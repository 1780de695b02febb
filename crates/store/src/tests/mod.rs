//! Tests of the machinery and of the operations, the same bodies on both databases and on the inline store.

mod access;
mod assignments;
mod contract;
mod crashes;
mod fleet;
mod gathering;
mod groups;
mod house;
mod identity;
mod inline;
mod inventory;
mod jobs;
mod kept;
mod leftovers;
mod links;
mod paging;
mod plans;
mod queries;
mod schema;
mod tasks;
mod world;
