// Chromium as people have it, and what must hold on every page that it opens: nothing on the
// console, nothing refused by the content policy, nothing asked of another server.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const program = "/usr/bin/chromium";

/** patience is how long anything may take on a busy machine, in milliseconds. */
export const patience = 30_000;

export const sizes = { narrow: { width: 360, height: 740 }, phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** launch starts the browser with a profile of its own. */
export async function launch(...flags) {
  assert.ok(existsSync(program), `${program} is missing: run .ci/setup test`);
  const profile = mkdtempSync(join(tmpdir(), "stockade-chromium-"));
  const browser = await chromium.launch({
    executablePath: program, timeout: patience,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...flags],
    env: { ...process.env, HOME: profile },
  });
  return {
    /** person returns a browser window of somebody who has never been here. */
    person: (options = {}) => person(browser, options),
    async close() {
      await browser.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function person(browser, options) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "zh-CN", timezoneId: "Asia/Shanghai", viewport: sizes.desktop, ...options });
  context.setDefaultTimeout(patience);
  context.setDefaultNavigationTimeout(patience);
  const problems = [];
  const servers = new Set();
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`content policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  context.on("request", (r) => {
    const url = new URL(r.url());
    if (url.protocol !== "data:" && !servers.has(url.origin)) problems.push(`asked of another server: ${r.url()}`);
  });
  context.on("weberror", (e) => problems.push(`script: ${e.error().stack ?? e.error()}`));
  // A refusal is an answer too, and Chromium notes each on the console.
  context.on("console", (m) => {
    if (m.type() === "error" && !/^Failed to load resource: the server responded with a status of 4\d\d/.test(m.text())) problems.push(`console: ${m.text()}`);
  });
  const page = await context.newPage();
  return {
    page, context, problems,
    /** visit opens a page of one of our servers. */
    async visit(address, path = "/") {
      servers.add(new URL(address).origin);
      return page.goto(address + path);
    },
    /** leave closes the window and says what was wrong with what was seen in it. */
    async leave() {
      await context.close();
      assert.deepEqual(problems, []);
    },
  };
}

/** shot keeps a picture of the page in the folder SHOTS, when that is set: for people who want to look. */
export async function shot(page, name) {
  if (!process.env.SHOTS) return;
  mkdirSync(process.env.SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.SHOTS, name + ".png"), fullPage: true, caret: "initial" });
}

/** steps returns a test function for steps that build upon each other: behind one that fails the others fail at once, instead of waiting in vain. */
export function steps(test) {
  let failed = "";
  return (name, run) => test(name, async () => {
    assert.equal(failed, "", "an earlier step failed");
    failed = name;
    await run();
    failed = "";
  });
}

/** until waits for a condition that no page can be asked for. */
export async function until(what, ok) {
  const end = Date.now() + patience;
  for (let wait = 20; ; wait = Math.min(wait * 2, 500)) {
    if (await ok()) return;
    assert.ok(Date.now() < end, `waited too long: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
