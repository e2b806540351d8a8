// A working day at a station: scans by the scanner light the page up, in every mode, with and
// without hands on the keyboard.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, shot, steps, until } from "./browser.mjs";
import { catalogue, ean, gs1, items, lamp, milk, oil, rice, tea } from "./goods.mjs";
import { glance, inspect, ready } from "./look.mjs";
import { begin, password, signIn } from "./people.mjs";
import { start } from "./rig.mjs";

const labels = ["收货口", "打包台", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
const step = steps(test);
let rig, browser, p, edge;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [
    { name: "dock-1", label: "收货口", mode: "receive", printer: true },
    { name: "pack-1", label: "打包台", mode: "pick", closed: true },
  ] }] });
  edge = rig.nodes[0];
  browser = await launch();
  p = await browser.person();
  await p.context.addInitScript(() => { // the loudspeaker
    window.notes = [];
    const play = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (at) { window.notes.push(this.frequency.value); return play.call(this, at); };
  });
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

/** shows waits until the page shows an outcome with a sentence, and returns what else it shows. */
async function shows(outcome, sentence, page = p.page) {
  const said = page.locator(`#station[data-outcome="${outcome}"]`).locator("#sentence, #item").filter({ hasText: sentence });
  await said.first().waitFor().catch(async (e) => { throw new Error(`${e.message}; the page says: ${await page.locator(".stage").innerText()}`); });
  return page.evaluate(() => {
    const text = (id) => document.getElementById(id).textContent;
    return { item: text("item"), amount: text("amount"), sentence: text("sentence"), verdict: text("verdict"), mode: text("mode"), bin: text("bin"), accepted: text("accepted"), refused: text("refused"),
      facts: text("facts"), colour: getComputedStyle(document.getElementById("station")).backgroundColor, size: parseFloat(getComputedStyle(document.getElementById("item")).fontSize) };
  });
}

const scan = (text) => rig.scan("dock-1", text);
const mode = (name) => p.page.locator("#mode").filter({ hasText: new RegExp(`^${name}$`) }).waitFor();

step("an open station works without a sign-in, and opens nothing else", async () => {
  const guest = await browser.person();
  await guest.visit(edge.address, "/station/dock-1");
  await ready(guest.page);
  for (const path of ["/", "/stock", "/movements", "/stations", "/station/pack-1", "/station/pack-1/refused", "/station/dock-1/pass/1"]) {
    await guest.page.goto(edge.address + path);
    assert.match(new URL(guest.page.url()).pathname, /^\/(login|first)$/, path);
  }
  for (const path of ["/api/v1/stock", "/api/v1/movements", "/api/v1/devices", "/api/v1/sync", "/api/v1/stations", "/api/v1/stations/pack-1", "/station/pack-1/events", "/events"]) {
    const answer = await guest.context.request.get(edge.address + path, { headers: { Accept: "text/event-stream" } });
    assert.equal(answer.status(), 401, path);
  }
  for (const path of ["/station/dock-1/refused", "/station/dock-1/commands", "/api/v1/stations/dock-1"]) {
    assert.equal((await guest.context.request.get(edge.address + path)).status(), 200, path);
  }
  await guest.leave();
});

step("a scan arrives at once, in colour, large, with sound and a label", async () => {
  await p.visit(edge.address, "/station/dock-1");
  await ready(p.page);
  await glance(p, "station-idle", labels);
  await p.page.evaluate(() => { window.same = true; });
  await p.page.getByRole("button", { name: "点一下打开声音" }).click();
  await p.page.locator("#sound", { hasText: "声音：开" }).waitFor();
  const since = new Date();
  await scan(ean(milk));
  const s = await shows("accepted", "收货 1 盒");
  assert.deepEqual([s.item, s.amount, s.verdict, s.colour], [milk.name, "1盒", "成功", "rgb(20, 117, 56)"]);
  const hours = [since, new Date()].map((t) => t.toLocaleTimeString("zh-CN", { timeZone: "Asia/Shanghai", hourCycle: "h23", hour: "2-digit", minute: "2-digit" }).slice(0, 2));
  assert.ok(hours.includes((await p.page.textContent("#stage-clock")).slice(0, 2)), "the hour at the warehouse");
  assert.ok(s.size >= 48, `the name of the item is ${s.size} px high`);
  assert.ok(await p.page.evaluate(() => window.same), "the page was loaded anew");
  assert.deepEqual(await p.page.evaluate(() => window.notes), [988, 1480]);
  await until("a label", async () => (await rig.call({ do: "labels", station: "dock-1" })).labels === 1);
});

step("a refused scan says what to do", async () => {
  await scan("]E06901234567892");
  let s = await shows("refused", "没有这个条码：请让主管在总部登记 06901234567892");
  assert.deepEqual([s.verdict, s.colour, s.amount], ["拒绝", "rgb(185, 28, 28)", ""]);
  assert.deepEqual((await p.page.evaluate(() => window.notes)).slice(2), [165, 131]);
  await scan("]E06901234567891");
  await shows("refused", "校验位不对：请再扫一次，仍不行请换标签");
  await scan(gs1(milk, { lot: "OLD", expiry: "200101" }));
  s = await shows("refused", "已过期（2020-01-01）：请放到待处理区");
  assert.equal(s.item, milk.name);
  await until("both counts", async () => (await p.page.textContent("#accepted")) === "1" && (await p.page.textContent("#refused")) === "3");
  await inspect(p, "station-refused", labels);
});

step("what was said stands there again after a reload", async () => {
  await p.page.reload();
  await ready(p.page);
  const s = await shows("refused", "已过期");
  assert.deepEqual([s.accepted, s.refused], ["1", "3"]);
  assert.deepEqual(await p.page.evaluate(() => window.notes), []); // old scans make no sound
  assert.equal(await p.page.locator("#last li").count(), 4);
  assert.match(await p.page.locator("#last li").last().innerText(), /纯牛奶/);
});

step("receive, pick and transfer, chosen by click, key and command barcode", async () => {
  await scan(gs1(milk, { lot: "L1", expiry: "351231", count: "10" }));
  let s = await shows("accepted", "收货 10 盒，RECV 现有 10");
  assert.match(s.facts, /L1/);
  assert.match(s.facts, /2035-12-31/);
  await inspect(p, "station-accepted", labels);

  await p.page.keyboard.press("F3");
  await mode("拣货");
  await scan(gs1(milk, { lot: "L1", expiry: "351231" }));
  await shows("refused", "请先扫货位标签");
  await scan("BIN:RECV");
  await shows("info", "当前货位 RECV，请扫商品");
  await scan(gs1(milk, { lot: "L1", expiry: "351231", count: "3" }));
  s = await shows("accepted", "拣货 3 盒，RECV 还剩 7");
  assert.deepEqual([s.amount, s.bin], ["−3盒", "RECV"]);

  await scan("STK:MODE:TRANSFER");
  await mode("移库");
  await scan("BIN:RECV");
  await scan("BIN:A-01");
  await shows("info", "从 RECV 移到 A-01，请扫商品");
  await scan(gs1(milk, { lot: "L1", expiry: "351231", count: "2" }));
  await shows("accepted", "RECV → A-01：2 盒");

  await p.page.getByRole("button", { name: /^收货/ }).click();
  await mode("收货");
  assert.equal(await p.page.locator('button[data-mode="receive"]').getAttribute("aria-pressed"), "true");
});

step("every mode by click, by key and by command barcode", async () => {
  const modes = [["receive", "收货", "F2"], ["pick", "拣货", "F3"], ["count", "盘点", "F4"], ["transfer", "移库", "F6"], ["lookup", "查询", "F7"], ["undo", "撤销", "F9"]];
  for (const choose of [([id]) => p.page.locator(`button[data-mode="${id}"]`).click(), ([, , key]) => p.page.keyboard.press(key), ([id]) => scan(`STK:MODE:${id.toUpperCase()}`)]) {
    for (const m of modes) {
      await choose(m);
      await mode(m[1]);
      assert.equal(await p.page.locator('button[aria-pressed="true"]').getAttribute("data-mode"), m[0]);
    }
  }
});

step("count a bin and look up what lies where", async () => {
  await p.page.getByRole("button", { name: /^盘点/ }).click();
  await mode("盘点");
  await scan("BIN:A-01");
  await shows("info", "当前货位 A-01");
  await scan(gs1(milk, { lot: "L1", expiry: "351231" }));
  await shows("accepted", "A-01 已点 1 盒");
  await scan("BIN:A-02"); // walked on too early
  await shows("refused", "A-01 的盘点还没确认：点完请扫“确认”");
  await scan("STK:CONFIRM");
  await shows("accepted", "A-01 盘点完成：1 行，1 行有差异");

  await p.page.keyboard.press("F7");
  await mode("查询");
  await scan(ean(milk));
  await shows("info", "现有 7 盒。RECV: 1, RECV: 5 (L1 2035-12-31), A-01: 1 (L1 2035-12-31)");
  await scan("BIN:A-01");
  await shows("info", "A-01：纯牛奶 250 毫升 1 盒");
  await glance(p, "station-info", labels);
});

step("undo by button, by key and by scan", async () => {
  await scan("STK:MODE:RECEIVE");
  await mode("收货");
  await scan(ean(oil));
  await shows("accepted", "收货 1 瓶");
  await p.page.getByRole("button", { name: "撤销这一笔" }).click();
  await shows("accepted", "已撤销 1 瓶");
  await scan(ean(lamp));
  await shows("accepted", "收货 1 个");
  await p.page.keyboard.press("Control+z");
  await shows("accepted", "已撤销 1 个");
  assert.ok(await p.page.locator("#undo").isHidden());
  await scan(ean(rice));
  await shows("accepted", "收货 1 袋");
  await scan("STK:MODE:UNDO");
  await mode("撤销");
  await scan(ean(rice));
  await shows("accepted", "已撤销 1 袋");
  await scan("STK:UNDO");
  await shows("refused", "没有可以撤销的操作");
});

step("a keyboard is enough", async () => {
  await p.page.keyboard.press("F2");
  await mode("收货");
  await p.page.keyboard.type(`0${tea.gtin}`);
  await p.page.locator("#typed", { hasText: `0${tea.gtin}` }).waitFor();
  await p.page.keyboard.press("Backspace");
  await p.page.keyboard.press("Escape");
  await p.page.locator("#typed").waitFor({ state: "hidden" });
  await p.page.keyboard.type(tea.gtin);
  await p.page.keyboard.press("Enter");
  await shows("accepted", "收货 1 罐");

  await p.page.reload();
  await ready(p.page);
  const reached = [];
  for (let i = 0; i < 20; i++) { // every control can be reached, and shows that it was
    await p.page.keyboard.press("Tab");
    const [what, ring] = await p.page.evaluate(() => [document.activeElement.id || document.activeElement.dataset.mode || document.activeElement.name || document.activeElement.getAttribute("href"), getComputedStyle(document.activeElement).outlineWidth]);
    if (!what) break;
    assert.ok(parseFloat(ring) >= 2, `${what} has no ring`);
    reached.push(what);
  }
  for (const what of ["receive", "pick", "count", "transfer", "lookup", "undo", "sound", "/station/dock-1/refused", "/station/dock-1/commands"]) assert.ok(reached.includes(what), `${what} among ${reached}`);
  await p.page.locator('button[data-mode="count"]').focus();
  await p.page.keyboard.press("Enter");
  await mode("盘点");
  await p.page.locator('button[data-mode="receive"]').focus();
  await p.page.keyboard.press("Space");
  await mode("收货");
});

step("a lead lets a refused pick pass, with a reason", async () => {
  const lead = await browser.person();
  await begin(lead, edge);
  await lead.leave();
  await scan("STK:MODE:PICK");
  await mode("拣货");
  await scan("BIN:RECV");
  await shows("info", "当前货位 RECV");
  await scan(ean(tea));
  await shows("accepted", "拣货 1 罐，RECV 还剩 0");
  await scan(ean(tea));
  await shows("refused", "账上 RECV 没有 龙井茶 100 克：请核对货位，或叫主管");
  await p.page.getByRole("link", { name: "主管放行" }).click(); // the lead comes to the worker's screen
  await signIn(p);
  await p.page.getByRole("heading", { name: "主管放行" }).waitFor();
  const asked = new URL(p.page.url()).pathname;
  await inspect(p, "pass", labels);
  await p.page.getByLabel("原因").fill("长".repeat(67));
  await p.page.getByRole("button", { name: "放行并入账" }).click();
  await p.page.getByRole("alert").filter({ hasText: "请写明原因" }).waitFor();
  await p.page.getByLabel("原因").fill("货在架上，入库单还没到");
  await p.page.getByRole("button", { name: "放行并入账" }).click();
  await p.page.waitForURL(edge.address + "/station/dock-1");
  await shows("accepted", "拣货 1 罐，RECV 还剩 -1");
  await p.visit(edge.address, asked); // the same cannot pass twice
  await p.page.getByText("这一笔不能再放行").waitFor();
});

step("devices and the way back after the node was away", async () => {
  await p.visit(edge.address, "/station/dock-1");
  await ready(p.page);
  await rig.device("dock-1", "paper", false);
  await p.page.locator("#devices .bad", { hasText: "缺纸，请装纸" }).waitFor();
  await rig.device("dock-1", "paper", true);
  await p.page.locator("#devices .good", { hasText: "标签打印机" }).waitFor();
  await rig.device("dock-1", "scanner", false);
  await p.page.locator("#devices .bad", { hasText: "未连接" }).waitFor();
  await rig.device("dock-1", "scanner", true);
  await p.page.locator("#devices .good", { hasText: "扫描枪" }).waitFor();

  await rig.call({ do: "stop", node: "sh-1" });
  await p.page.locator("#lost", { hasText: "与本机的连接断了" }).waitFor();
  await shot(p.page, "station-lost");
  await rig.call({ do: "start", node: "sh-1" });
  await p.page.locator("#lost").waitFor({ state: "hidden" });
  await p.page.locator("#devices .good", { hasText: "扫描枪" }).waitFor();
  await scan("STK:MODE:RECEIVE");
  await mode("收货");
});

step("refused scans and the sheet of command barcodes", async () => {
  await p.visit(edge.address, "/station/dock-1/refused");
  await p.page.getByText("没有这个条码").waitFor();
  await inspect(p, "refused", labels);
  await p.visit(edge.address, "/station/dock-1/commands");
  assert.equal(await p.page.locator(".sheet svg.barcode").count(), 34);
  const [download] = await Promise.all([p.page.waitForEvent("download"), p.page.getByRole("link", { name: "下载 PDF" }).click()]);
  assert.equal(download.suggestedFilename(), "commands-dock-1.pdf");
  assert.match(readFileSync(await download.path(), "latin1"), /^%PDF-1[^]*%%EOF\s*$/);
  await inspect(p, "commands", labels);
  await p.visit(edge.address, "/stations");
  await inspect(p, "stations", labels);
});

step("who works with the scanner stays signed in, and a page that is only open keeps nobody", async () => {
  const idle = () => rig.call({ do: "idle", node: "sh-1" }); // fourteen minutes, of the fifteen that there are
  const at = async (path) => { await p.visit(edge.address, path); return new URL(p.page.url()).pathname; };
  assert.equal(await at("/station/dock-1"), "/station/dock-1");
  await ready(p.page);
  for (const [command, name] of [["PICK", "拣货"], ["RECEIVE", "收货"]]) {
    await idle();
    await scan("STK:MODE:" + command);
    await mode(name);
  }
  await idle();
  assert.equal(await at("/stations"), "/stations");
  await at("/station/dock-1");
  await ready(p.page);
  await idle();
  await idle();
  assert.equal(await at("/stations"), "/login");
});

step("nothing was wrong meanwhile", () => p.leave());
