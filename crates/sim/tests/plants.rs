//! Each checker catches the fault that is planted for it.

use muster_sim::{Options, Plant, run, shrink};

/// The rules that the first planted fault of some world breaks.
fn caught(plant: Plant) -> Vec<u8> {
    let options = Options { plant: Some(plant), ..Options::default() };
    for seed in 1..=600 {
        let report = run(seed, &options);
        if report.planted {
            let failure = report.failure.unwrap_or_else(|| panic!("{plant:?}: nobody noticed it in seed {seed}"));
            return failure.breaches.iter().map(|b| b.rule).collect();
        }
        assert!(report.failure.is_none(), "{plant:?}: seed {seed} fails by itself");
    }
    panic!("{plant:?} found no place in six hundred worlds");
}

fn is_caught(rule: u8) {
    let plants: Vec<Plant> = Plant::ALL.into_iter().filter(|p| p.rule() == rule).collect();
    assert!(!plants.is_empty());
    for plant in plants {
        let rules = caught(plant);
        assert!(rules.contains(&rule), "{plant:?} broke {rules:?} instead of {rule}");
    }
}

macro_rules! rules {
    ($($name:ident $rule:literal;)*) => {$(
        #[test]
        fn $name() {
            is_caught($rule);
        }
    )*};
}

rules! {
    a_changed_outcome_and_an_early_end_are_caught 1;
    a_second_hand_out_and_an_old_report_that_counts_are_caught 2;
    too_many_attempts_are_caught 3;
    a_reason_without_end_and_kept_back_work_are_caught 4;
    a_hand_out_after_its_time_is_caught 5;
    slices_that_overlap_or_are_missing_and_two_in_the_same_hands_are_caught 6;
    a_broken_barrier_and_a_stuck_walk_are_caught 7;
    a_second_run_of_an_occurrence_is_caught 11;
    a_wrong_total_is_caught 8;
    a_hand_out_after_the_cancel_or_against_the_brake_is_caught 9;
    a_hand_out_beyond_a_limit_is_caught 12;
    a_lost_inventory_and_a_lost_run_are_caught 10;
    what_crosses_an_organization_is_caught 13;
    a_missing_and_a_doubled_event_are_caught 14;
    a_run_that_never_ends_is_caught 15;
    a_device_that_is_not_in_the_group_of_its_query_is_caught 16;
    a_start_that_nobody_approved_is_caught 17;
}

#[test]
fn a_failure_is_made_small_and_stays_the_same() {
    let options = Options { plant: Some(Plant::ALL.into_iter().find(|p| p.rule() == 9).expect("one for rule 9")), ..Options::default() };
    let failure = (1..=200).find_map(|seed| run(seed, &options).failure).expect("one world in which it shows");
    let small = shrink(&failure, &options);
    let only = small.only.clone().expect("only some steps are needed");
    assert!(only.len() < failure.step / 2, "{} of {} steps are left", only.len(), failure.step);
    assert!(small.breaches.iter().any(|b| b.rule == failure.breaches[0].rule));
    let again = run(small.seed, &Options { only: Some(only.clone()), ..options }).failure.expect("it is seen again");
    assert_eq!((again.step, again.history), (small.step, small.history.clone()));
    assert!(small.to_string().ends_with(&format!("again: cargo xtask sim --seed {} --steps {only}", small.seed)), "{small}");
}
