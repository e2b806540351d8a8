// Setting up a scanner: the page shows what it sends, proposes its profile, and nothing is booked meanwhile.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, steps } from "./browser.mjs";
import { catalogue, ean, items, milk, rice, tea } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin } from "./people.mjs";
import { start } from "./rig.mjs";

const data = ["收货口", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
const step = steps(test);
let rig, browser, p, edge, station;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive" }] }] });
  edge = rig.nodes[0];
  browser = await launch();
  p = await browser.person();
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

const scan = (text) => rig.scan("dock-1", text);
const accepted = async () => (await (await p.context.request.get(edge.address + "/api/v1/stations/dock-1")).json()).accepted;

step("the branch page leads to it, with the device's last event", async () => {
  await begin(p, edge);
  await scan(ean(milk));
  const device = p.page.locator("li", { hasText: "dock-1-scanner" });
  await device.getByText("最近活动").waitFor();
  await device.getByRole("link", { name: "设置" }).click();
  await p.page.getByRole("heading", { name: "设置扫描枪" }).waitFor();
  await p.page.getByText("还没有收到数据").first().waitFor();
});

step("what the scanner sends is shown, with a proposal, and not booked", async () => {
  station = await browser.person();
  await station.visit(edge.address, "/station/dock-1");
  await station.page.getByText("扫描枪正在设置").waitFor();
  for (const item of [milk, rice, tea]) {
    await scan(item.gtin);
    await p.page.locator("#scans li", { hasText: item.gtin }).waitFor();
  }
  await p.page.locator("#heard li", { hasText: "‹CR›" }).first().waitFor();
  await p.page.locator("#findings li", { hasText: "回车 CR" }).waitFor();
  await p.page.locator("#findings li", { hasText: "没有 AIM 标识符" }).waitFor();
  assert.equal((await p.page.locator("#settings").innerText()).trim(), 'profile = ""');
  assert.equal(await accepted(), 1);
  await inspect(p, "setup", data);
});

step("what is found and proposed follows the scanner", async () => {
  await scan(`]C101${milk.gtin.padStart(14, "0")}10LOT7|21SN5`);
  await p.page.locator("#findings li", { hasText: "|" }).waitFor();
  await p.page.locator("#settings", { hasText: 'profile = "gs=|"' }).waitFor();
});

step("a documented command is sent on a click, others are refused", async () => {
  await p.page.locator("li", { hasText: "新大陆：加 AIM 标识符" }).getByRole("button", { name: "发送" }).click();
  await p.page.getByText("已发送").waitFor();
  const csrf = await p.page.locator("meta[name=csrf]").getAttribute("content");
  const answer = await p.context.request.post(edge.address + "/api/v1/devices/dock-1-scanner/command", { headers: { "X-CSRF-Token": csrf }, data: { command: "zebra:everything" } });
  assert.equal(answer.status(), 422);
  const without = await p.context.request.post(edge.address + "/api/v1/devices/dock-1-scanner/watch", { data: {} });
  assert.equal(without.status(), 403);
  const guest = await station.context.request.post(edge.address + "/api/v1/devices/dock-1-scanner/watch", { data: {} });
  assert.ok([401, 403].includes(guest.status()));
  await glance(p, "setup-sent", data);
});

step("an unplugged scanner is said to be so", async () => {
  await rig.device("dock-1", "scanner", false);
  await p.page.locator("#problem").getByText(/找不到设备|已拔出/).waitFor();
  await rig.device("dock-1", "scanner", true);
  await p.page.locator("#state", { hasText: "就绪" }).waitFor();
});

step("when the page is closed scans are booked again", async () => {
  await p.visit(edge.address);
  await p.page.locator("li", { hasText: "dock-1-scanner" }).getByText("设置中").waitFor({ state: "detached" });
  await scan(ean(rice));
  await station.page.locator('#station[data-outcome="accepted"]').waitFor();
  assert.equal(await accepted(), 2);
});

step("a page that nobody touches for long lets scans be booked again, until somebody does", async () => {
  await p.page.clock.install();
  await p.visit(edge.address, "/devices/dock-1-scanner/setup");
  await p.page.locator("#state", { hasText: "就绪" }).waitFor();
  await station.page.getByText("扫描枪正在设置").waitFor();
  await p.page.clock.fastForward("11:00");
  await p.page.locator("#problem", { hasText: "已恢复入账" }).waitFor();
  await station.page.getByText("扫描枪正在设置").waitFor({ state: "detached" });
  await scan(ean(tea));
  await station.page.locator("#station[data-outcome]", { hasText: tea.name }).first().waitFor();
  assert.equal(await accepted(), 3);
  await p.page.getByRole("heading", { name: "设置扫描枪" }).click();
  await station.page.getByText("扫描枪正在设置").waitFor();
  await p.page.locator("#problem").waitFor({ state: "hidden" });
});

step("nothing was wrong meanwhile", () => p.leave());
