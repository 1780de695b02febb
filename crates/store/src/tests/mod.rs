//! Tests of the machinery, the same bodies on both databases and on the inline store.

mod contract;
mod gathering;
mod inline;
mod links;
mod schema;
mod world;
