//! Many worlds, each from its seed.

use muster_sim::{Options, run, seeds};

#[test]
fn five_hundred_worlds_keep_the_rules() {
    let failures = seeds(1, 500, 2);
    let told: Vec<String> = failures.iter().take(3).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of 500 seeds fail\n{}", failures.len(), told.join("\n\n"));
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_seed_another() {
    let history = |seed| run(seed, &Options::default()).history;
    assert_eq!(history(4), history(4));
    assert_ne!(history(4), history(5));
}

#[test]
fn the_worlds_are_not_empty() {
    let (mut runs, mut handed) = (0, 0);
    // Worlds differ wildly: ten of them hand out between twenty and a hundred pieces.
    for seed in 1..=40 {
        let report = run(seed, &Options::default());
        runs += report.runs;
        handed += report.handed;
    }
    assert!(runs > 100 && handed > 120, "forty worlds started {runs} runs and handed out {handed} pieces");
}
