//! The people's doors: REST, events, the console's files.
