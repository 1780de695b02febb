//! Inputs to begin with: the recorded samples, made small, and what earlier runs found worth keeping.

use crate::targets::Target;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where inputs worth keeping are; not in the repository.
pub fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// All inputs to begin with, in the same order every time.
pub fn of(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = target.seeds.iter().map(|s| s.as_bytes().to_vec()).collect();
    for sub in target.samples {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/wire/tests/samples").join(sub);
        for raw in files(&samples) {
            if target.name == "body" {
                seeds.push(raw);
                continue;
            }
            let document = thin(&unpacked(&raw));
            seeds.push([target.head, &document].concat());
        }
    }
    seeds.extend(files(&folder(target)));
    for seed in &mut seeds {
        seed.truncate(target.longest);
    }
    seeds.retain(|s| !s.is_empty());
    seeds
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort_unstable();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

fn unpacked(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = match raw.first() {
        Some(0x78) => ZlibDecoder::new(raw).read_to_end(&mut bytes),
        Some(0x1f) => MultiGzDecoder::new(raw).read_to_end(&mut bytes),
        _ => return raw.to_vec(),
    };
    match read {
        Ok(_) => bytes,
        Err(_) => raw.to_vec(),
    }
}

/// An inventory with at most two rows of each section: the same shapes in a tenth of the bytes.
fn thin(document: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(document) else { return document.to_vec() };
    let mut kept = String::new();
    let (mut last, mut times) = ("", 0);
    for (i, piece) in text.split("\n    <").enumerate() {
        let name = piece.split('>').next().unwrap_or_default();
        if !name.starts_with([' ', '/']) {
            times = if name == last { times + 1 } else { 0 };
            last = name;
        }
        // Behind the last row comes the end of the content.
        if times < 2 || piece.contains("</CONTENT>") {
            kept += if i > 0 { "\n    <" } else { "" };
            kept += piece;
        }
    }
    kept.into_bytes()
}
