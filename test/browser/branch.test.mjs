// The branch pages of a node: stock, movements, the state of the line and of the devices, all
// of which change while they are looked at.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, steps, until } from "./browser.mjs";
import { catalogue, ean, gs1, items, milk, rice, tea } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin } from "./people.mjs";
import { start } from "./rig.mjs";

const data = ["收货口", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
const step = steps(test);
let rig, browser, p, edge;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", printer: true }] }] });
  edge = rig.nodes[0];
  browser = await launch();
  p = await browser.person();
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

const figure = (name) => p.page.locator(".figure", { hasText: name });
const scan = (text) => rig.scan("dock-1", text);

step("an empty branch says what to do next", async () => {
  await begin(p, edge);
  await p.page.getByText("还没有流水").waitFor();
  await glance(p, "branch-empty", data);
  await p.visit(edge.address, "/stock");
  await glance(p, "branch-stock-empty", data);
});

step("the overview follows the scans", async () => {
  await p.visit(edge.address);
  await p.page.evaluate(() => { window.same = true; });
  await scan(gs1(milk, { lot: "L1", expiry: "351231", count: "1200" }));
  await scan(ean(rice));
  await scan("]E06901234567891");
  await figure("今日成功").locator("b", { hasText: /^2$/ }).waitFor();
  await figure("今日拒绝").locator("b", { hasText: /^1$/ }).waitFor();
  const row = p.page.locator("tr", { hasText: milk.name });
  await row.getByText("1,200 盒").waitFor();
  await row.getByText("供应商 → RECV").waitFor();
  await row.getByText("已确认").waitFor();
  await figure("待总部确认").getByText("全部已确认").waitFor();
  assert.ok(await p.page.evaluate(() => window.same), "the page was loaded anew");
  await inspect(p, "branch", data);
});

step("without a line the branch says so, and works on", async () => {
  await rig.line(false);
  await scan(ean(tea));
  await figure("待总部确认").getByText("未连接总部，1 条待发送；照常作业").waitFor();
  await p.page.locator("tr", { hasText: tea.name }).getByText("待发送").waitFor();
  await p.page.locator(".card", { hasText: "与总部同步" }).locator(".tag-warn", { hasText: "未连接" }).waitFor();
  await glance(p, "branch-cut", data);
  await rig.line(true);
  await figure("待总部确认").getByText("全部已确认").waitFor();
});

step("devices in need are seen", async () => {
  const devices = p.page.locator(".card", { has: p.page.getByRole("heading", { name: "设备" }) });
  await devices.locator("li", { hasText: "dock-1-printer" }).getByText("就绪").waitFor();
  await rig.device("dock-1", "paper", false);
  await rig.device("dock-1", "scanner", false);
  await devices.locator("li", { hasText: "dock-1-printer" }).getByText("缺纸，请装纸").waitFor();
  await devices.locator("li", { hasText: "dock-1-scanner" }).getByText("未连接").waitFor();
  await glance(p, "branch-devices", data);
  await rig.device("dock-1", "paper", true);
  await rig.device("dock-1", "scanner", true);
  await devices.locator(".tag-bad").first().waitFor({ state: "detached" });
});

step("stock is found by name, SKU, GTIN and lot", async () => {
  await p.visit(edge.address, "/stock");
  for (const [words, found] of [["牛奶", milk], ["MILK", milk], [rice.gtin, rice], ["L1", milk]]) {
    await p.page.getByRole("searchbox").fill(words);
    await p.page.getByRole("button", { name: "搜索" }).click();
    await p.page.waitForURL((url) => url.searchParams.get("q") === words);
    assert.deepEqual(await p.page.locator("td.item-cell b").allInnerTexts(), [found.name], words);
  }
  assert.equal(await p.page.locator("td.num").innerText(), "1,200 盒");
  await until("numbers stand on the right", () => p.page.locator("td.num").evaluate((e) => getComputedStyle(e).textAlign === "right"));
  await inspect(p, "branch-stock", data);
  await p.page.getByRole("searchbox").fill("没有的东西");
  await p.page.getByRole("button", { name: "搜索" }).click();
  await p.page.getByText("没有找到“没有的东西”").waitFor();
});

step("stock and movements are live, and lead to each other", async () => {
  await p.visit(edge.address, "/stock?q=TEA");
  await scan(ean(tea));
  await p.page.locator("td.num", { hasText: "2 罐" }).waitFor();
  await p.page.getByRole("link", { name: "TEA-100" }).click();
  await p.page.getByRole("heading", { name: "流水" }).waitFor();
  assert.equal(await p.page.locator("tbody tr").count(), 2);
  await scan(ean(tea));
  await until("the third movement", async () => (await p.page.locator("tbody tr").count()) === 3);
  await inspect(p, "movements", data);
});

step("nothing was wrong meanwhile", () => p.leave());
