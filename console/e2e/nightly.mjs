// In a real browser against a real server: a task with a window is written, starts by itself, and what comes too late gets nothing.
//   node e2e/nightly.mjs URL NAME PASSWORD [PICTURES]
// Prints `run started` when the agent of one machine should come; that of the other never does. `run finished` at the end.
import { tell } from "./person.mjs";

const [, , , pictures] = process.argv.slice(2);
const soon = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();

await tell(async ({ url, page, picture, clean }) => {
  await page.goto(new URL("/tasks/new", url).href);
  const document = (start, end) =>
    JSON.stringify({
      name: "shutdown all machines",
      targets: { all: true },
      schedule: { at: soon(start) },
      window: { not_after: soon(end) },
      steps: [{ id: "off", action: { type: "inventory" } }],
    });
  await page.getByLabel("YAML").fill(document(3_600, 7_200));
  await page.getByText(/^Once, on .*, never after .*\.$/).waitFor();
  await picture("nightly-form");
  await clean("Task form");
  // Looking took as long as it took: its times are set when it is saved.
  await page.getByLabel("YAML").fill(document(5, 20));
  await page.getByRole("button", { name: "Save the task" }).click();
  // Live: the run appears by itself at its time.
  await page.getByRole("link", { name: /^#1 / }).click();
  await page.waitForURL("**/runs/*");
  console.log("run started");
  await page.getByText("100%").waitFor();
  await page.getByText(/^0 handed out after /).waitFor();
  await picture("nightly-run");
  await clean("Run with a window");
  const totals = page.getByLabel("Summary of the run");
  await totals.getByText("Expired").first().waitFor();
  await page.getByRole("link", { name: "shutdown all machines" }).first().click();
  await page.getByRole("link", { name: "Occurrences" }).click();
  await page.getByText("started", { exact: true }).waitFor();
  await picture("nightly-occurrences");
  await clean("Occurrences");
  await page.getByRole("link", { name: "Calendar" }).first().click();
  await page
    .getByRole("link", { name: /shutdown all/ })
    .first()
    .waitFor();
  await clean("Calendar");
  console.log("run finished");
}, pictures);
