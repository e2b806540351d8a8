// What must hold of every page, in both languages and at every size: all texts switch, nothing
// is cut off, nothing stands in the way of people who see or move differently.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { shot, sizes } from "./browser.mjs";
import { name as account } from "./people.mjs";
import { root } from "./rig.mjs";

const axe = readFileSync(join(root, "node_modules/axe-core/axe.min.js"), "utf8");
const rules = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] };

/** texts is the catalogue of everything that people read: [key, zh, en]. */
export const texts = (() => {
  const folder = join(root, "internal/web/texts");
  return readdirSync(folder).flatMap((file) => {
    let group = "";
    return readFileSync(join(folder, file), "utf8").split("\n").flatMap((line) => {
      const head = /^\[(\w+)\]$/.exec(line), text = /^(\w+) = \{ zh = "(.*)", en = "(.*)" \}$/.exec(line);
      if (head) group = head[1];
      return text ? [[`${group}.${text[1]}`, text[2], text[3]]] : [];
    });
  });
})();

const chinese = new Set(texts.map((t) => t[1])), english = new Set(texts.filter((t) => t[1] !== t[2]).map((t) => t[2]));
const keys = new Set(texts.map((t) => t[0]));

/** inspect looks at the page that is open, in both languages and all sizes, and leaves it in Chinese. data are texts on it that are the warehouse's own. */
export async function inspect(p, name, data = []) {
  await look(p, "en", name, data);
  await accessible(p.page, `${name} in English`);
  await look(p, "zh", name, data);
  await p.page.setViewportSize(sizes.phone);
  await accessible(p.page, `${name} in Chinese`);
  await p.page.setViewportSize(sizes.desktop);
}

/** glance is inspect for another state of a page that is inspected elsewhere. */
export async function glance(p, name, data = []) {
  await look(p, "en", name, data);
  await look(p, "zh", name, data);
}

async function look(p, lang, name, data) {
  await speak(p, lang);
  await p.page.reload();
  await ready(p.page);
  if (process.env.SHOTS) await pictures(p.page, `${name}-${lang}`);
  await words(p.page, lang, name, data);
  await p.page.setViewportSize(sizes.narrow);
  await narrow(p.page, name);
  await p.page.setViewportSize(sizes.desktop);
}

/** pictures keeps how the page looks, for people. */
async function pictures(page, name) {
  for (const size of ["phone", "desktop"]) {
    await page.setViewportSize(sizes[size]);
    await shot(page, `${name}-${size}`);
  }
}

/** speak makes pages come in a language from now on. */
export async function speak(p, lang) {
  const { origin } = new URL(p.page.url());
  await p.context.addCookies([{ name: "__Host-language", value: lang, url: origin, secure: true, httpOnly: true, sameSite: "Strict" }]);
}

/** ready waits until a station's page has heard from its server, other pages are ready at once. */
export async function ready(page) {
  if (await page.locator("#station").count()) await page.locator("#devices span").first().waitFor();
}

async function words(page, lang, name, data) {
  const seen = await page.evaluate(() => {
    const found = [document.title], walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const e = walk.currentNode.parentElement;
      if (!["SCRIPT", "STYLE", "TITLE"].includes(e.tagName) && !e.closest("[lang]:not(html)")) found.push(walk.currentNode.data);
    }
    for (const e of document.querySelectorAll("[placeholder],[title],[aria-label],[alt],[data-label]")) {
      if (!e.closest("[lang]:not(html)")) for (const a of ["placeholder", "title", "aria-label", "alt", "data-label"]) found.push(e.getAttribute(a) ?? "");
    }
    const inline = [...document.querySelectorAll("*")].filter((e) => e.matches('script:not([src]):not([type="application/json"]),style') || [...e.attributes].some((a) => /^(on|style$)/.test(a.name)));
    return { lang: document.documentElement.lang, found: found.map((t) => t.trim()).filter(Boolean), inline: inline.map((e) => e.outerHTML.slice(0, 150)) };
  });
  assert.equal(seen.lang, lang === "zh" ? "zh-CN" : "en", name);
  assert.deepEqual(seen.inline, [], `${name}: inline script or style`);
  for (const text of seen.found) {
    assert.ok(!keys.has(text) && !/^[a-z]+\.[a-z_]+$/.test(text), `${name}: ${text} is the key of a text`);
    const foreign = lang === "zh" ? english.has(text) && !chinese.has(text) : /\p{Script=Han}/u.test([account, ...data].reduce((t, d) => t.replaceAll(d, ""), text));
    assert.ok(!foreign, `${name} in ${lang} says “${text}”`);
  }
}

/** narrow holds when nothing has to be scrolled sideways on the smallest telephone. */
async function narrow(page, name) {
  const wide = await page.evaluate(() => {
    const all = document.documentElement;
    return all.scrollWidth > all.clientWidth ? [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > all.clientWidth + 1).slice(0, 5).map((e) => e.outerHTML.slice(0, 120)) : [];
  });
  assert.deepEqual(wide, [], `${name} is too wide`);
}

async function accessible(page, name) {
  await page.evaluate(axe); // by the debugger, which the content policy does not bind
  const { violations } = await page.evaluate((r) => window.axe.run(document, r), rules);
  const found = violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 150)).join(" | ")}`);
  assert.deepEqual(found, [], name);
}
