use super::*;
use clap::Parser;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    plan: Plan,
}

fn planned(line: &str) -> anyhow::Result<Value> {
    let plan = Command::try_parse_from(std::iter::once("plan").chain(line.split_whitespace()))?.plan;
    Ok(serde_json::to_value(muster_api::view::TaskForecast::from(plan.situation()?.planned()))?)
}

fn refused(line: &str) -> String {
    planned(line).expect_err("refused").to_string()
}

const MIDNIGHT: &str = "--start 2026-12-01T00:00:00Z";

#[test]
fn a_limit_makes_a_window_too_short_and_the_plan_says_which_limit_would_do() {
    let seen =
        planned(&format!("{MIDNIGHT} --machines 1000 --window 00:00-06:00 --takes 10m --slow 10m --max-in-flight 20")).expect("planned");
    // Twenty at a time, ten minutes each, for six hours.
    assert_eq!((&seen["course"]["begun"], &seen["course"]["late"]), (&json!(720), &json!(280)));
    assert_eq!((&seen["begins"], &seen["until"]), (&json!("2026-12-01T00:00:00.000Z"), &json!("2026-12-01T06:00:00.000Z")));
    let advice = &seen["advice"][0];
    assert_eq!((&advice["key"], &advice["course"]["late"]), (&json!("max_in_flight"), &json!(0)));
    let text = plan_text(&seen);
    assert!(text.contains("720 of 1,000") && text.contains("280"), "{text}");
    assert!(text.contains("machines do it at once"), "{text}");
}

#[test]
fn each_zone_has_its_own_midnight() {
    let seen =
        planned(&format!("{MIDNIGHT} --machines 2000 --zone Europe/Paris=50% --zone Asia/Tokyo --window 00:00-01:00")).expect("planned");
    // Tokyo's next midnight is 15:00 UTC; that of Paris has an hour gone that this one is not in, so it is 23:00 UTC.
    assert_eq!((&seen["begins"], &seen["per_device"]), (&json!("2026-12-01T15:00:00.000Z"), &json!(true)));
    assert_eq!(seen["until"], "2026-12-02T00:00:00.000Z");
    assert_eq!(seen["course"]["late"], 0);
}

#[test]
fn who_is_on_by_day_only_misses_the_night() {
    let line = format!("{MIDNIGHT} --machines 10000 --by-day 30% --absent 10% --window 00:00-06:00");
    let seen = planned(&line).expect("planned");
    let count = |key: &str| seen["course"][key].as_i64().expect("a number");
    assert!((900..1_100).contains(&count("absent")) && (2_500..2_900).contains(&count("late")), "{}", seen["course"]);
    assert_eq!(count("begun") + count("late") + count("absent"), 10_000);
    assert!(planned(&format!("{line} --day 22:00-02:00")).expect("planned")["course"]["late"].as_i64() == Some(0));
}

#[test]
fn a_file_says_what_is_planned_and_options_go_before_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("task.yaml");
    std::fs::write(
        &path,
        "name: night\ntargets: {all: true}\nschedule: {cron: '0 0 * * *', zone: device}\nwindow: {not_after: '06:00'}\n\
        rollout: {max_in_flight: 10}\nsteps: [{action: {type: run_script, script: 'true'}}]\n",
    )
    .expect("written");
    let line = format!("{MIDNIGHT} -f {} --machines 100 --takes 1h --slow 1h --zone Europe/Paris", path.display());
    let seen = planned(&line).expect("planned");
    assert_eq!((&seen["begins"], &seen["until"]), (&json!("2026-12-01T23:00:00.000Z"), &json!("2026-12-02T05:00:00.000Z")));
    assert_eq!(seen["course"]["begun"], 60);
    assert_eq!(planned(&format!("{line} --max-in-flight 20")).expect("planned")["course"]["begun"], 100);
    std::fs::write(&path, "name: night\nsteps: []\nwindow: {not_after: noon}\n").expect("written");
    let text = refused(&line);
    assert!(text.contains("/steps") && text.contains("/window/not_after"), "{text}");
}

#[test]
fn what_cannot_be_read_is_named() {
    for (line, named) in [
        ("--zone Europe/Pariss", "Europe/Paris"),
        ("--zone device", "IANA name"),
        ("--zone Europe/Paris=70% --zone Asia/Tokyo=70%", "more than 100%"),
        ("--zone Europe/Paris --zone Asia/Tokyo", "only the last"),
        ("--zone Europe/Paris=70%", "70%"),
        ("--window 00:00", "two times of a day"),
        ("--window 00:00-25:00", "/window/not_after"),
        ("--takes soon", "such as 30s"),
        ("--by-day most", "such as 30%"),
        ("--day 8-18", "08:00-18:00"),
        ("--machines 0", "machines"),
        ("--waves 50%,10%", "/rollout"),
        ("-f /nowhere/task.yaml", "cannot be read"),
    ] {
        let text = refused(line);
        assert!(text.contains(named), "{line}: {text}");
    }
}
