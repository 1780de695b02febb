// In a real browser against a real server: sign in, see the machine that an agent reported, start an inventory, watch it end; pull the brake, see it on another page, release it.
//   node e2e/first-light.mjs URL NAME PASSWORD MACHINE [PICTURES]
// Prints `run started` when the agent should come, `run finished` at the end.
import { tell } from "./person.mjs";

const [, , , machine, pictures] = process.argv.slice(2);

await tell(async ({ url, page, context, picture, clean }) => {
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
  await other.getByRole("heading", { name: "Queue", exact: true }).waitFor();
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
}, pictures);
