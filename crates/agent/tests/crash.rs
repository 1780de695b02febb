//! A panic is written down with its place and the log before it, for the next contact to tell.

use muster_agent::clock::SystemClock;
use muster_agent::crash;
use muster_core::fleet::CrashKind;
use muster_core::limits::CRASHES_TOLD_MAX;
use muster_wire::crash::CrashReport;

#[test]
fn a_panic_leaves_a_file_and_many_leave_a_few() {
    let place = tempfile::tempdir().expect("a directory");
    crash::watch(place.path(), SystemClock);
    let files = || std::fs::read_dir(place.path()).expect("listed").map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
    assert!(std::thread::spawn(|| panic!("the {} broke", "wheel")).join().is_err());
    let all = files();
    assert_eq!(all.len(), 1);
    let report: CrashReport = serde_json::from_slice(&std::fs::read(&all[0]).expect("read")).expect("a report");
    assert_eq!((report.kind, report.message.as_str()), (CrashKind::Panic, "the wheel broke"));
    assert!(report.place.is_some_and(|place| place.contains("crash.rs")));
    for _ in 0..20 {
        assert!(std::thread::spawn(|| panic!("again")).join().is_err());
    }
    assert_eq!(files().len(), CRASHES_TOLD_MAX);
}
