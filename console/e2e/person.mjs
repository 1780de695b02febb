// A person in a real browser who has signed in: the page, and what went wrong on it.
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

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

/** Does a story; any page error or console error fails it. `[URL, NAME, PASSWORD, …]` are the program's arguments. */
export async function tell(story, pictures) {
  const [url, name, password] = process.argv.slice(2);
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
    await signIn(page, url, name, password);
    await story({ url, page, context, picture, clean });
  } catch (error) {
    errors.push(error.message);
    await picture("failed");
  }
  await browser.close();
  for (const error of errors) console.error(error);
  process.exit(errors.length ? 1 : 0);
}

async function signIn(page, url, name, password) {
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
}
