//! Tasks of several steps, as people write them.

use crate::world::World;
use serde_json::{Value, json};

impl World {
    /// A job of two to five steps. What no agent can do ends with its time, so each has an end.
    pub(crate) fn job(&mut self, document: &mut Value) {
        // What our own agents do is walked by each of them alone, and mostly harmful when done twice.
        let alone = self.dice.chance(if self.swarm.alone { 900 } else { 200 });
        let server = !alone && self.dice.chance(500);
        let count = self.dice.within(2, 5);
        let mut steps: Vec<Value> = (0..count).map(|n| self.step(n, server)).collect();
        if alone {
            document["targets"] = json!({"query": "protocol == \"muster\" && verified"});
            for step in &mut steps {
                if self.dice.chance(700) {
                    step["action"] = json!({"type": "run_script", "script": "true"});
                }
            }
        }
        if server {
            let place = self.dice.below(count + 1);
            steps.insert(place, json!({"id": "tell", "action": {"type": "raise_message", "title": "{{task.name}}"}}));
            if self.dice.chance(300) {
                steps.push(
                    json!({"id": "call", "action": {"type": "call_web_service", "url": "http://192.0.2.1/"}, "on_error": "continue"}),
                );
            }
            document["mode"] = json!("server_job");
        }
        if self.dice.chance(400) {
            let place = self.dice.below(steps.len());
            if steps[place].get("on_error").is_none() {
                steps[place]["on_error"] = json!({"run": "help", "then": "retry", "max": self.dice.within(1, 3)});
                steps.push(json!({"id": "help", "action": {"type": "inventory"}}));
            }
        }
        document["steps"] = json!(steps);
        document["window"] = json!({"not_after": self.dice.pick(&["06:00", "13:00"]), "at_end": self.dice.pick(&["let_finish", "stop"])});
    }

    fn step(&mut self, n: usize, server: bool) -> Value {
        let action = match self.dice.below(3) {
            0 => json!({"type": "run_script", "script": "true"}),
            _ => json!({"type": "inventory"}),
        };
        let mut step = json!({"id": format!("s{n}"), "action": action, "timeout": "10m", "outputs": {"code": "exit_code"}});
        match self.dice.below(6) {
            0 if n > 0 => {
                let asked = if server { "counts.error > 0" } else { "outputs.code == 0" };
                step["when"] = json!(format!("steps.s{}.{asked}", n - 1));
            }
            1 if n > 0 => step["when"] = json!(format!("steps.s{}.state != 'ok'", n - 1)),
            2 => step["on_error"] = json!("continue"),
            3 if server => {
                step["barrier"] = json!({"quorum": "50%", "stragglers": self.dice.pick(&["drop", "keep"])});
            }
            4 if server => step["barrier"] = json!({"deadline": "1h"}),
            _ => {}
        }
        step
    }
}
