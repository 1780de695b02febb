// In a real browser against a real server: sign in, see the machine that an agent reported, start an inventory, watch it end; pull the brake, see it on another page, release it.
//   node e2e/first-light.mjs URL NAME PASSWORD MACHINE [PICTURES]
// Prints `run started` when the agent should come, `run finished` at the end; any page error or console error fails it.
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const [url, name, password, machine, pictures] = process.argv.slice(2);
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
const errors = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB" });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
page.on("pageerror", (error) => errors.push(`page: ${error.message}`));
page.on("console", (message) => {
  // Before signing in, the session is asked for and refused: the browser logs that refusal by itself.
  if (message.type() === "error" && !message.text().includes("401")) errors.push(`console: ${message.text()}`);
});
const picture = async (what) => {
  if (pictures) await page.screenshot({ path: `${pictures}/${what}.png` });
};
const clean = async (what) => {
  const found = await new AxeBuilder({ page }).analyze();
  for (const violation of found.violations) errors.push(`axe on ${what}: ${violation.id}: ${violation.help}`);
};

try {
  await page.goto(url);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  const machines = page.getByRole("link", { name: "Machines" }).first();
  const given = page.getByRole("heading", { name: "Choose a new password" });
  await machines.or(given).waitFor();
  if (await given.isVisible()) {
    await page.getByLabel("Present password").fill(password);
    await page.getByLabel("New password", { exact: true }).fill(`${password}-mine`);
    await page.getByLabel("New password, again").fill(`${password}-mine`);
    await page.getByRole("button", { name: "Change password" }).click();
  }
  await machines.waitFor();
  await page.getByRole("heading").first().waitFor();
  await picture("now");
  await clean("Now");
  await page.getByRole("link", { name: "Machines" }).first().click();
  await page.getByRole("link", { name: machine, exact: true }).first().click();
  await page.getByRole("heading", { name: machine }).waitFor();
  await picture("machine");
  await clean("Machine");
  await page.getByRole("button", { name: "Inventory now" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Inventory 1 machine" }).click();
  await page.waitForURL("**/runs/*");
  await page.getByText("waiting", { exact: true }).first().waitFor();
  await picture("run-waiting");
  console.log("run started");
  // Live: nothing is reloaded, the page itself learns that the run ended.
  await page.getByText("100%").waitFor();
  await picture("run-finished");
  await clean("Run");
  // The brake, pulled here, is seen by another page without reading anything again, and released there.
  const other = await context.newPage();
  await other.goto(new URL("/queue", url).href);
  await other.getByRole("heading", { name: "Queue" }).waitFor();
  await page.getByRole("button", { name: "Hold everything" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Why" }).fill("a cut of power");
  await dialog.getByRole("button", { name: "Hold everything" }).click();
  await dialog.waitFor({ state: "detached" });
  const banner = other.getByRole("region", { name: "The brake" });
  await banner.getByText("a cut of power").waitFor();
  await picture("brake");
  await clean("Brake");
  await page.getByRole("link", { name: "Queue" }).first().click();
  await banner.getByRole("button", { name: "Release" }).press("Enter");
  await other.getByRole("dialog").getByRole("button", { name: "Release" }).click();
  await page.getByRole("button", { name: "Hold everything" }).waitFor();
  console.log("run finished");
} catch (error) {
  errors.push(error.message);
  await picture("failed");
}
await browser.close();
if (errors.length > 0) {
  console.error(errors.join("\n"));
  process.exit(1);
}
