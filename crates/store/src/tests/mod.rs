//! Tests of the machinery and of the operations, the same bodies on both databases and on the inline store.

mod access;
mod contract;
mod gathering;
mod house;
mod inline;
mod links;
mod queries;
mod schema;
mod world;
