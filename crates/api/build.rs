//! Sees to it that the console's folder exists, so that a build without Node.js works, and builds anew when it changes.

fn main() {
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../console/dist");
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo::warning=the console's folder {dist} cannot be made: {error}");
    }
    println!("cargo::rerun-if-changed={dist}");
}
