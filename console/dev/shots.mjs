// Pictures of every screen at two widths in both themes, and axe's findings on each; fails when there are any.
//   npm run build && node dev/shots.mjs FOLDER [--only name,name] [--language fr] [--devices 3000]
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const argument = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const folder = process.argv[2] ?? "shots";
const only = argument("only", "").split(",").filter(Boolean);
const language = argument("language", "en");
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

const openMenu = (name) => async (page) => {
  await page.getByRole("button", { name }).first().click();
  await page.waitForTimeout(250);
};
const pressed = (name, then) => async (page) => {
  await page.getByRole("button", { name }).click();
  await page.getByRole("button", { name: then }).waitFor();
  await page.waitForTimeout(200);
};
const disabled = async (page) => {
  await page.getByRole("button", { name: "Disable the schedule" }).click();
  await page.getByRole("textbox", { name: "Why" }).fill("Holidays until the 7th of January");
  await page.getByRole("dialog").getByRole("button", { name: "Disable the schedule" }).click();
  await page.getByRole("button", { name: "Enable the schedule" }).waitFor();
  await page.waitForTimeout(200);
};
const holdEverything = async (page) => {
  await page.getByRole("button", { name: "Hold everything" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox").fill("The power supply in Lyon is being repaired; nothing may restart before Anna says so.");
  await dialog.getByRole("button", { name: "Hold everything" }).click();
  await page.getByRole("button", { name: "Release" }).waitFor();
  await dialog.waitFor({ state: "detached" });
};
const releaseAll = async (page) => {
  await page.getByRole("button", { name: "Release" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Release" }).click();
  await page.getByRole("button", { name: "Hold everything" }).waitFor();
};
const pickAction = (name) => async (page) => {
  await page.getByRole("combobox", { name: "What is done" }).click();
  await page.getByRole("option", { name }).click();
  await page.waitForTimeout(400);
};
const D = "019ad001-0000-7000-8a1b-000000000011";
const T = "019ab001-0000-7000-8a1b-000000000011";
const R = "019ac001-0000-7000-8a1b-000000000011";
const P = "019ab001-0009-7000-8a1b-000000000011";
const PR = "019ac001-0009-7000-8a1b-000000000011";
const C = "019ae001-0000-7000-8a1b-000000000011";
const T2 = "019ab001-0002-7000-8a1b-000000003def";
const T4 = "019ab001-0004-7000-8a1b-000000007bcd";
const R1 = "019ac001-0001-7000-8a1b-000000001f00";
const R4 = "019ac001-0004-7000-8a1b-000000007bcd";
const SCREENS = [
  ["now", "/"],
  ["queue", "/queue"],
  ["queue-delay", "/queue", openMenu("Put off…")],
  ["queue-priority", "/queue", openMenu("Priority…")],
  [
    "queue-confirm",
    "/queue",
    async (page) => {
      await openMenu("Priority…")(page);
      await page.getByRole("menuitem").nth(1).click();
      await page.getByRole("dialog").waitFor();
      await page.waitForTimeout(400);
    },
  ],
  ["queue-why", `/queue?open=${R}.3`],
  ["tasks", "/tasks"],
  ["task", `/tasks/${T}`],
  ["task-scheduled", `/tasks/${T}`],
  ["task-occurrences", `/tasks/${T}?tab=occurrences`],
  ["task-held", `/tasks/${T}?tab=occurrences`, openMenu("Start it")],
  ["task-approve", `/tasks/${T}`, openMenu("Approve a number")],
  ["task-disable", `/tasks/${T}`, openMenu("Disable the schedule")],
  ["task-off", `/tasks/${T}`, disabled],
  ["task-edit", `/tasks/${T}/edit`, (page) => page.waitForTimeout(1800)],
  [
    "task-edit-plan",
    `/tasks/${T}/edit`,
    async (page) => {
      await page
        .locator("section[aria-label]")
        .filter({ has: page.locator("ul button") })
        .scrollIntoViewIfNeeded();
      await page.waitForTimeout(300);
    },
  ],
  ["task-edit-mail", "/tasks/new", pickAction("Send an e-mail")],
  ["task-edit-web", "/tasks/new", pickAction("Call a web service")],
  ["task-edit-script", "/tasks/new", pickAction("Run a script")],
  ["task-edit-power", "/tasks/new", pickAction("Shut down, restart or suspend")],
  [
    "task-edit-clock",
    "/tasks/new",
    (page) =>
      page
        .getByText("By the clock")
        .click()
        .then(() => page.waitForTimeout(900)),
  ],
  ["job-edit-led", `/tasks/${T2}/edit`, (page) => page.waitForTimeout(900)],
  [
    "job-edit",
    `/tasks/${T4}/edit`,
    (page) =>
      page
        .locator(".node")
        .nth(1)
        .click()
        .then(() => page.waitForTimeout(700)),
  ],
  ["job", `/tasks/${T4}`],
  ["job-run", `/runs/${R4}`],
  ["job-run-cell", `/runs/${R4}?step=install&state=error`],
  ["job-targets", `/runs/${R4}?tab=targets`],
  ["run-halted", `/runs/${R1}`],
  ["job-retry", `/runs/${R4}`, openMenu("Retry what failed")],
  ["reports", "/reports"],
  [
    "report",
    "/reports/019b0000-0000-7000-8000-000000000001",
    async (page) => {
      await page.getByRole("button", { name: "Ask", exact: true }).click();
      await page.getByRole("table", { name: "Answer", exact: true }).waitFor();
      await page.getByText("Machines.", { exact: true }).click();
      await page.waitForTimeout(300);
    },
  ],
  ["report-new", "/reports/new"],
  ["task-edit-delete", "/tasks/new", pickAction("Delete a task, group, machine or report")],
  ["task-edit-move", "/tasks/new", pickAction("Move to another organization")],
  ["task-edit-clean", "/tasks/new", pickAction("Remove what is kept and needed no more")],
  ["groups", "/groups"],
  ["groups-new", "/groups", openMenu("New group")],
  [
    "groups-new-query",
    "/groups",
    async (page) => {
      await page.getByRole("button", { name: "New group" }).click();
      await page.getByText("Follow a query").last().click();
      await page.getByRole("textbox", { name: "Query" }).fill('os_family == "linux"');
      await page.waitForTimeout(900);
    },
  ],
  ["group-dynamic", "/groups/019af001-0002-7000-8a1b-000000000011"],
  ["group", "/groups/019af001-0001-7000-8a1b-000000000011"],
  ["group-members", "/groups/019af001-0001-7000-8a1b-000000000011", openMenu("Change members")],
  ["calendar", "/calendar"],
  ["calendar-month", "/calendar?view=month"],
  ["calendar-none", "/calendar?day=2031-01-01"],
  ["messages", "/messages"],
  ["task-new", "/tasks/new"],
  ["task-start", `/tasks/${T}/start`],
  ["pool-task", `/tasks/${P}`],
  ["pool-edit", `/tasks/${P}/edit`],
  ["pool-new", "/tasks/new", pickAction("Ask addresses for open ports")],
  ["pool-start", `/tasks/${P}/start`],
  ["pool-run", `/runs/${PR}`],
  ["pool-shares", `/runs/${PR}?tab=pool`],
  ["pool-output", `/runs/${PR}?tab=output`],
  ["pool-why", `/runs/${PR}?open=${PR}.3`],
  ["runs", "/runs"],
  ["run", `/runs/${R}`],
  ["run-paused", `/runs/${R}`, pressed("Pause", "Resume")],
  ["run-resumed", `/runs/${R}`, pressed("Resume", "Pause")],
  ["run-events", `/runs/${R}?tab=events`],
  ["run-output", `/runs/${R}?tab=output`],
  ["machines", "/machines?os_family=linux&sort=-last_inventory"],
  ["machines-query", '/machines?query=os_family == "linux" ??'],
  ["machines-empty", "/machines?q=nothing-like-this"],
  ["machine", `/machines/${D}`],
  [
    "machine-move",
    `/machines/${D}`,
    async (page) => {
      await openMenu("Actions")(page);
      await page.getByRole("menuitem", { name: "Move to another organization" }).click();
      await page.getByRole("dialog").waitFor();
      await page.waitForTimeout(400);
    },
  ],
  ["machine-inventory", `/machines/${D}?tab=inventory`],
  ["machine-search", `/machines/${D}?tab=inventory&q=openssl`],
  ["machine-bios", `/machines/${D}?tab=inventory&section=bios`],
  ["machine-changes", `/machines/${D}?tab=changes`],
  ["machine-changes-open", `/machines/${D}?tab=changes&open=h0.softwares,h3.operatingsystem`],
  ["machine-changes-none", `/machines/${D}?tab=changes&section=monitors&since=7d`],
  ["machine-compare-none", `/machines/${D}?tab=changes&mode=compare`],
  ["machine-compare", `/machines/${D}?tab=changes&mode=compare&from=14d`],
  ["machine-tasks", `/machines/${D}?tab=tasks`],
  ["machine-network", `/machines/${D}?tab=network`],
  ["machine-identity", `/machines/${D}?tab=identity`],
  ["machine-merge", `/machines/${D}?tab=identity`, openMenu("Merge…")],
  ["machine-split", `/machines/${D}?tab=identity`, openMenu("Split…")],
  ["machine-undo", `/machines/${D}?tab=identity`, openMenu("Undo")],
  ["fleet", "/fleet"],
  ["crashes", "/fleet/crashes"],
  ["crash", "/fleet/crashes?open=c1"],
  [
    "fleet-quarantine",
    "/fleet",
    async (page) => {
      await page.locator("button.plain.link").nth(2).click();
      await page.waitForTimeout(600);
      await page
        .getByRole("button", { name: /quarantine/i })
        .last()
        .click();
      await page.waitForTimeout(500);
    },
  ],
  ["changes", "/fleet/changes"],
  ["changes-none", "/fleet/changes?q=nothing-like-this"],
  ["changes-period", "/fleet/changes", openMenu(/^Period/)],
  ["software", "/fleet/software?sort=-devices"],
  ["software-none", "/fleet/software?q=nothing-like-this"],
  ["software-appeared", "/fleet/software?tab=appeared"],
  ["program", "/fleet/software/program?name=openssl"],
  ["program-devices", "/fleet/software/program?name=openssl&tab=devices"],
  ["duplicates", "/fleet/duplicates"],
  ["duplicates-open", `/fleet/duplicates?open=${C}`],
  ["duplicates-none", "/fleet/duplicates?q=nothing-like-this"],
  ["duplicates-dismiss", "/fleet/duplicates", (page) => page.keyboard.press("d").then(() => page.waitForTimeout(400))],
  ["duplicates-merge", "/fleet/duplicates", (page) => page.keyboard.press("m").then(() => page.waitForTimeout(700))],
  ["columns", "/machines", openMenu("Columns")],
  ["join", "/fleet/join"],
  ["join-new", "/fleet/join", openMenu("New join token")],
  ["credentials", "/fleet/credentials"],
  ["credentials-new", "/fleet/credentials", openMenu("New credential")],
  ["settings", "/settings"],
  ["users", "/settings/users"],
  ["tokens", "/settings/tokens"],
  ["audit", "/settings/audit"],
  ["not-found", "/nowhere"],
  [
    "palette",
    "/machines",
    async (page) => {
      await page.keyboard.press("/");
      await page.getByRole("combobox").last().waitFor({ timeout: 3000 });
      await page.keyboard.type("srv");
      await page.waitForTimeout(600);
    },
  ],
  [
    "keys",
    "/queue",
    async (page) => {
      await page.keyboard.press("?");
      await page.waitForTimeout(300);
    },
  ],
  ["filter", "/machines", openMenu("System")],
  ["profile", "/", openMenu(/Menu of/)],
  ["bulk", "/machines", openMenu(/^Inventory [\d]/)],
  ["brake-ask", "/queue", openMenu("Hold everything")],
  ["brake-on", "/queue", holdEverything],
  ["brake-on-run", `/runs/${R}`],
  ["brake-on-machines", "/machines"],
  ["brake-release", "/queue", openMenu("Release")],
  ["brake-off", "/queue", releaseAll],
];

async function server(extra) {
  const child = spawn(process.execPath, [join(here, "fake-server.mjs"), "--devices", argument("devices", "3000"), "--port", "0", ...extra]);
  const base = await new Promise((resolve, reject) => {
    child.stdout.once("data", (data) => resolve(String(data).trim()));
    child.once("exit", (code) => reject(new Error(`the fake server ended with ${code}`)));
  });
  return { child, base };
}

let findings = 0;
async function look(page, name, mode) {
  await page.screenshot({ path: join(folder, `${name}-${mode}.png`) });
  const axe = new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]);
  // Menus and dialogs stand outside the landmarks, as they should.
  if (await page.evaluate(() => document.querySelector("[role=dialog], [role=menu]"))) axe.disableRules(["region"]);
  const { violations } = await axe.analyze();
  for (const v of violations) {
    findings += 1;
    console.log(`${name} ${mode}: ${v.id}: ${v.help}`);
    for (const node of v.nodes.slice(0, 3))
      console.log(
        `    ${node.target.join(" ")}  ${node.html.slice(0, 160)}\n      ${(node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? ""}`,
      );
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) {
    findings += 1;
    console.log(`${name} ${mode}: the page is ${wide} px wider than the screen`);
  }
}

async function shoot(browser, base, screens, size, scheme) {
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme: scheme,
    reducedMotion: "reduce",
    locale: language,
    deviceScaleFactor: size === "phone" ? 2 : 1,
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() !== "error" || message.text().includes("the server responded with")) return;
    findings += 1;
    console.log(`${size} ${scheme}: ${message.text()}`);
  });
  page.on("pageerror", (error) => {
    findings += 1;
    console.log(`page error: ${error.message}`);
  });
  for (const [name, path, act] of screens) {
    await page.goto(base.replace(/\/$/, "") + path);
    await page.waitForSelector("h1");
    await page.waitForFunction(() => !document.querySelector("[aria-busy=true], .ghost"), undefined, { timeout: 8000 }).catch(() => {});
    await page.waitForTimeout(500);
    if (act) {
      try {
        await act(page);
      } catch (e) {
        if (size === "wide") {
          findings += 1;
          console.log(`${name}: ${e.message.split("\n")[0]}`);
        }
      }
    }
    await look(page, name, `${size}-${scheme}`);
  }
  await context.close();
}

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ARGS });
const inside = await server([]);
const outside = await server(["--signed-out", "yes"]);
try {
  const wanted = SCREENS.filter(([name]) => only.length === 0 || only.includes(name));
  for (const size of argument("size", "wide,phone").split(",")) {
    for (const scheme of argument("scheme", "light,dark").split(",")) {
      await shoot(browser, inside.base, wanted, size, scheme);
      if (only.length === 0 || only.includes("sign-in")) await shoot(browser, outside.base, [["sign-in", "/"]], size, scheme);
    }
  }
} finally {
  await browser.close();
  inside.child.kill();
  outside.child.kill();
}
console.log(findings === 0 ? "no findings" : `${findings} findings`);
process.exit(findings === 0 ? 0 : 1);
