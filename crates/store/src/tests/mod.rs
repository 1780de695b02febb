//! Tests of the machinery, the same bodies on both databases.
