// Badge and PIN: made at headquarters, chosen by its person, heard of by the node, and used at a station by scanner, keyboard scanner, finger and gloves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps } from "./browser.mjs";
import { catalogue, ean, items, milk, rice } from "./goods.mjs";
import { inspect, ready } from "./look.mjs";
import { begin } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const pin = "830274", labels = ["收货口", "打包台", "李雷", "韩梅梅", "赵班长", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
const own = "三更灯火五更鸡-正是男儿读书时";
let rig, hub, edge, browser, p, s, badge, other, former;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [
    { name: "dock-1", label: "收货口", mode: "receive", badge: true },
    { name: "pack-1", label: "打包台", mode: "receive" },
  ] }] });
  hub = rig.hub.address;
  edge = rig.nodes[0];
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

const press = (label, who = p) => who.page.getByRole("button", { name: label, exact: true }).click();
const worker = (name) => s.page.locator("#worker-name").filter({ hasText: new RegExp(`^${name}$`) }).waitFor();
const shows = (outcome, sentence, page = s.page) => page.locator(`#station[data-outcome="${outcome}"]`).locator("#sentence, #item").filter({ hasText: sentence }).first().waitFor();
const pad = (name) => s.page.getByRole("dialog", { name }).waitFor();
const noPad = () => s.page.locator("#pinpad").waitFor({ state: "hidden" });
const problem = (sentence) => s.page.locator("#pin-problem").filter({ hasText: sentence }).waitFor();
async function tap(digits) {
  for (const d of digits) await s.page.locator(`#pinpad [data-digit="${d}"]`).click();
  await s.page.locator("#pinpad .ok").click();
}

/** hire lets headquarters make an account with a badge, and its person choose password and PIN; it returns what the badge says. */
async function hire(account, display, number, look = async () => {}) {
  await p.visit(hub, "/people/new");
  await p.page.fill("#name", account);
  await p.page.fill("#display", display);
  await p.page.getByLabel("仓库员工").check();
  await p.page.fill("#warehouses", "SHA");
  await press("建立并生成激活码");
  const code = await p.page.locator(".activation").innerText();
  await p.visit(hub, `/people/person/${account}`);
  await p.page.getByText("PIN 由本人在总部页面").waitFor();
  await press("制作工牌");
  await p.page.getByRole("heading", { name: "新工牌" }).waitFor();
  const text = await p.page.locator("#badge").innerText();
  assert.match(text, /^STK:BADGE:[2-9A-Z]{18}$/);
  assert.ok(!p.page.url().includes(text.slice(10)));

  const w = await browser.person();
  await w.visit(hub, "/activate");
  await w.page.fill("#password", own);
  await w.page.fill("#code", code);
  await press("保存并登录", w);
  await w.page.waitForURL(hub + "/account/pin"); // the badge waits for it
  await look(w);
  await w.page.fill("#pin", number);
  await w.page.fill("#pin_again", number);
  await press("保存 PIN", w);
  await w.page.locator("#badge").getByText("设置于").waitFor();
  await w.page.getByText("设置了工位 PIN。").first().waitFor();
  await w.leave();
  await rig.call({ do: "heard", node: "sh-1", args: [text] });
  return text;
}

step("headquarters makes a badge, and its person chooses the PIN", async () => {
  p = await browser.person();
  await begin(p, rig.hub);
  badge = await hire("lilei", "李雷", pin, async (w) => {
    await inspect(w, "pin", labels);
    for (const [one, two, said] of [["123456", "123456", "太容易被猜到"], ["19900101", "19900101", "太容易被猜到"], [pin, "830275", "两次输入不一样"]]) {
      await w.page.fill("#pin", one);
      await w.page.fill("#pin_again", two);
      await press("保存 PIN", w);
      await w.page.getByRole("alert").filter({ hasText: said }).waitFor();
      assert.equal(await w.page.inputValue("#pin"), "");
    }
  });
  other = await hire("hanmei", "韩梅梅", "472961");
  await p.visit(hub, "/people/person/hanmei");
  await inspect(p, "person-badge", labels);
  await press("重做工牌");
  assert.equal(await p.page.getByRole("img", { name: "工牌条码" }).count(), 2);
  for (const size of ["phone", "desktop"]) { await p.page.setViewportSize(sizes[size]); await shot(p.page, `badge-zh-${size}`); }
  former = other;
  other = await p.page.locator("#badge").innerText();
  assert.notEqual(other, former);
  await rig.call({ do: "heard", node: "sh-1", args: [other] });
});

step("a station by badge shows its page, and does nothing without one", async () => {
  s = await browser.person();
  await s.visit(edge.address, "/station/dock-1");
  await ready(s.page);
  await worker("请扫工牌开工");
  await inspect(s, "station-badge", labels);
  await rig.scan("dock-1", ean(milk));
  await shows("refused", "请先扫工牌");
  await s.page.locator('[data-key="F3"]').click();
  await shows("refused", "请先扫工牌");
  for (const path of ["/", "/stock", "/station/dock-1/pass/1"]) assert.equal((await s.context.request.get(edge.address + path, { maxRedirects: 0 })).status(), 303, path);
});

step("the badge opens the pad, the PIN the work", async () => {
  await rig.scan("dock-1", badge);
  await pad("李雷");
  for (const size of ["narrow", "phone", "desktop"]) { await s.page.setViewportSize(sizes[size]); await shot(s.page, `pinpad-zh-${size}`); }
  const key = await s.page.locator('#pinpad [data-digit="5"]').boundingBox();
  assert.ok(key.width >= 90 && key.height >= 60, `keys for gloves: ${key.width} x ${key.height}`);
  await tap("940613");
  await problem("PIN 不对");
  await s.page.keyboard.type(pin, { delay: 120 }); // by the keyboard
  await s.page.keyboard.press("Enter");
  await noPad();
  await worker("李雷");
  await shows("info", "李雷 开工");
  await rig.scan("dock-1", ean(milk));
  await shows("accepted", milk.name);
  for (const size of ["phone", "desktop"]) { await s.page.setViewportSize(sizes[size]); await shot(s.page, `station-worker-zh-${size}`); }
  const moved = JSON.parse((await rig.call({ do: "edge", node: "sh-1", args: ["scans", "--station", "dock-1", "--after", "0"] })).output);
  assert.ok(JSON.stringify(moved).includes("STK:BADGE:") || JSON.stringify(moved).includes(Buffer.from("STK:BADGE:").toString("base64")));
  for (const secret of [badge.slice(10), Buffer.from(badge).toString("base64").slice(16, 32)]) assert.ok(!JSON.stringify(moved).includes(secret));
});

step("a page elsewhere does not act in that name", async () => {
  const far = await browser.person();
  await far.visit(edge.address, "/station/dock-1");
  await ready(far.page);
  await far.page.keyboard.type(rice.gtin, { delay: 120 });
  await far.page.keyboard.press("Enter");
  await shows("refused", "请先扫工牌", far.page);
  await far.page.locator("#leave").click();
  await shows("refused", "在输 PIN 的那个屏幕上收工", far.page);
  await far.leave();
  await worker("李雷");
});

step("the badge again, another badge and the button end it", async () => {
  await rig.scan("dock-1", badge);
  await shows("info", "李雷 收工");
  await worker("请扫工牌开工");
  await s.page.keyboard.type(badge, { delay: 2 }); // a keyboard scanner, whose every key the page sees
  assert.ok(!(await s.page.locator("#typed").textContent()).includes(badge.slice(10)));
  await s.page.keyboard.press("Enter");
  await pad("李雷");
  await tap(pin);
  await worker("李雷");
  await s.page.keyboard.type(other, { delay: 2 });
  await s.page.keyboard.press("Enter");
  await pad("韩梅梅");
  await worker("请扫工牌开工");
  await s.page.keyboard.type(badge, { delay: 2 }); // into the field of the PIN: it is told apart from a hand
  await s.page.keyboard.press("Enter");
  await pad("李雷");
  assert.equal(await s.page.inputValue("#pin"), "");
  await press("取消", s);
  await noPad();
  await rig.scan("dock-1", other);
  await pad("韩梅梅");
  await tap("472961");
  await worker("韩梅梅");
  await press("收工", s);
  await worker("请扫工牌开工");
});

step("a badge that was reported lost ends the work, and is of no more use", async () => {
  await rig.scan("dock-1", badge);
  await pad("李雷");
  await tap(pin);
  await worker("李雷");
  await p.visit(hub, "/people/person/lilei");
  await press("挂失工牌");
  await p.page.getByRole("button", { name: "制作工牌" }).waitFor();
  await worker("请扫工牌开工"); // by itself
  await shows("info", "已作废");
  for (const void_ of [badge, former]) {
    await rig.scan("dock-1", void_);
    await shows("refused", "这张工牌无效");
  }
});

step("wrong PINs are braked, then the badge is locked", async () => {
  await rig.scan("dock-1", other);
  await pad("韩梅梅");
  await tap("940613");
  await problem("PIN 不对");
  await tap("940613");
  await problem("PIN 不对");
  await tap("472961"); // the right one, too soon
  await problem(/请等 \d+ 秒/);
  await shot(s.page, "pinpad-wait-zh");
  await press("取消", s);
});

step("an open station works on without", async () => {
  await s.visit(edge.address, "/station/pack-1");
  await ready(s.page);
  await rig.scan("pack-1", ean(rice));
  await shows("accepted", rice.name);
  assert.ok(await s.page.locator("#worker").isHidden());
});

step("nothing was wrong meanwhile", async () => {
  await s.leave();
  await p.leave();
});
