//! Who is who, story by story, on the three stores; and any sequence of merges, splits and undoings.

mod acts;
mod dynamic;
mod groups;
mod moves;
mod property;
mod stories;
mod world;
