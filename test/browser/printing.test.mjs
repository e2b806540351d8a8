// The print queue in the browser: a printer in trouble is seen at once at the station, labels that wait go on by
// themselves, and of a label that nobody knows of a person decides, with a reason that stays.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot, steps, until } from "./browser.mjs";
import { catalogue, ean, gs1, items, milk, rice, tea } from "./goods.mjs";
import { glance, inspect, ready } from "./look.mjs";
import { begin, join, password, signIn } from "./people.mjs";
import { start } from "./rig.mjs";

const data = ["收货口", ...items.map((i) => i.name), ...items.map((i) => i.unit), "没有打出来", "掉进了缝里", "批次标签", "托盘标签", "李师傅", "标签损坏或脏污", "库位标签"];
const step = steps(test);
let rig, browser, p, office, edge;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", printer: true }] }] });
  edge = rig.nodes[0];
  browser = await launch();
  p = await browser.person();
  office = await browser.person();
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

const scan = (text) => rig.scan("dock-1", text);
const device = (name, good) => rig.device("dock-1", name, good);
const labels = async () => (await rig.call({ do: "labels", station: "dock-1" })).labels ?? 0;
const printed = (n) => until(`${n} labels`, async () => (await labels()) === n);
const bar = (text) => p.page.locator("#print-bar").filter({ hasText: text });
const noBar = () => p.page.locator("#print-bar[hidden]").waitFor({ state: "attached" });
const drawn = () => office.page.locator("#preview[data-drawn]").waitFor();
const black = () => office.page.locator("#preview").evaluate((c) => { // dots of the picture that are black
  const pixels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i] < 128) n++;
  return n;
});
const section = (id, text) => office.page.locator(`#${id} li, #${id} tr`).filter({ hasText: text });

step("nothing was printed yet", async () => {
  await begin(office, edge);
  await office.page.getByRole("link", { name: "打印", exact: true }).click();
  await office.page.getByText("还没有打印过标签").waitFor();
  await glance(office, "printing-empty", data);
});

step("a label of a goods receipt is printed and stands in the history, with its picture", async () => {
  await p.visit(edge.address, "/station/dock-1");
  await ready(p.page);
  await noBar();
  await scan(gs1(milk, { lot: "L1", expiry: "351231", count: "12" }));
  await printed(1);
  await section("history", milk.name).getByText("已打印").waitFor(); // by itself
  await section("history", milk.name).getByRole("link", { name: "详情" }).click();
  const picture = office.page.getByRole("img", { name: "标签预览" });
  await picture.waitFor();
  assert.ok(await picture.evaluate(async (e) => { await e.decode(); return e.naturalWidth > 400; }), "no picture");
  await inspect(office, "print", data);
  await office.page.getByRole("link", { name: "返回打印" }).click();
});

step("out of labels is seen at once at the station and in the office, and clears itself", async () => {
  await device("paper", false);
  await bar("缺纸，请装纸").waitFor();
  assert.equal(await p.page.locator("#print-bar").getAttribute("data-level"), "warn");
  await scan(ean(rice));
  await bar("1 张标签在等").waitFor();
  assert.equal(await p.page.locator("#print-bar").getAttribute("data-level"), "bad");
  await glance(p, "station-paper-out", data);
  await office.page.getByRole("alert").filter({ hasText: "缺纸，请装纸" }).waitFor();
  await section("waiting", rice.name).getByText("待打印").waitFor();
  assert.equal(await labels(), 1);
  const mended = Date.now();
  await device("paper", true);
  await noBar();
  const cleared = Date.now() - mended;
  await printed(2);
  assert.ok(cleared < 10_000, `the bar stayed for ${cleared} ms`); // two seconds where the machine has nothing else to do
  await section("history", rice.name).getByText("已打印").waitFor();
});

step("every trouble has its words", async () => {
  for (const [name, words] of [["ribbon", "缺碳带"], ["head", "打印头未合上"], ["printer", "未连接"]]) {
    await device(name, false);
    await bar(words).waitFor();
    await device(name, true);
    await noBar();
  }
});

step("a waiting label can be cancelled", async () => {
  await device("head", false);
  await bar("打印头未合上").waitFor();
  await scan(ean(tea));
  await section("waiting", tea.name).getByRole("button", { name: "取消打印" }).click();
  await section("history", tea.name).getByText("未打印").waitFor();
  await device("head", true);
  await noBar();
  assert.equal(await labels(), 2);
});

step("a label that was cut is asked about, at the station too, and not sent again", async () => {
  await device("fast", false);
  await scan(gs1(milk, { lot: "CUT-1" }));
  await section("waiting", "CUT-1").getByText(/正在(发送|打印)/).waitFor();
  await device("printer", false);
  await bar("1 张标签可能没有打出来").waitFor();
  await section("asking", "CUT-1").getByText("与打印机的连接断了").waitFor();
  await device("fast", true);
  await device("printer", true);
  await scan(ean(rice));
  await printed(3); // the next one, and only that
  await glance(p, "station-unknown", data);
  await inspect(office, "printing-unknown", data);
});

step("printed again needs a reason, and is a job of its own", async () => {
  await section("asking", "CUT-1").getByRole("link", { name: "再打一次" }).click();
  await office.page.getByRole("button", { name: "再打一次" }).click();
  await office.page.getByRole("alert").filter({ hasText: "请选一个原因" }).waitFor();
  assert.equal(await labels(), 3);
  await shot(office.page, "print-no-reason");
  await office.visit(edge.address, "/printing");
  await section("asking", "CUT-1").getByRole("link", { name: "再打一次" }).click();
  await office.page.getByLabel("没有打出来").check();
  await office.page.getByRole("button", { name: "再打一次" }).click();
  await printed(4);
  await office.page.locator("#history").getByText(/重打 \d+：没有打出来/).waitFor();
  assert.equal(await office.page.locator("#asking").count(), 0);
  await noBar();
});

step("or a person says that it was printed", async () => {
  await device("fast", false);
  await scan(gs1(milk, { lot: "CUT-2" }));
  await section("waiting", "CUT-2").getByText(/正在(发送|打印)/).waitFor();
  await device("printer", false);
  await section("asking", "CUT-2").getByRole("button", { name: "打出来了" }).click();
  await section("history", "CUT-2").getByText("已打印").waitFor();
  await section("history", "CUT-2").getByText("处理人：王主管").waitFor();
  await device("fast", true);
  await device("printer", true);
  await noBar();
  assert.equal(await labels(), 4);
});

step("headquarters has it in the audit trail", async () => {
  const auditor = await browser.person();
  await begin(auditor, rig.hub);
  await until("both acts at headquarters", async () => {
    let text = "";
    for (let batch = 1; (await auditor.visit(rig.hub.address, `/batch/sh-1/1/${batch}`)).status() === 200; batch++) text += await auditor.page.locator("main").innerText();
    return text.includes("重打标签") && text.includes("reason=没有打出来") && text.includes("确认标签已打印") && text.includes("取消打印标签");
  });
  await auditor.leave();
});

step("a guest of an open station decides nothing, and programs get what people see", async () => {
  const guest = await browser.person();
  await guest.visit(edge.address, "/station/dock-1");
  for (const path of ["/printing", "/printing/1-x"]) {
    await guest.page.goto(edge.address + path);
    assert.match(new URL(guest.page.url()).pathname, /^\/(login|first)$/, path);
  }
  assert.equal((await guest.context.request.get(edge.address + "/api/v1/prints")).status(), 401);
  await guest.leave();
  const api = office.context.request;
  const { asking, open, jobs } = await (await api.get(edge.address + "/api/v1/prints")).json();
  assert.equal(asking.length + open.length, 0);
  assert.equal(jobs.length, 7);
  const { csrf } = await (await api.get(edge.address + "/api/v1/session")).json();
  const post = (path, body) => api.post(edge.address + "/api/v1/prints/" + path, { data: body, headers: { "X-CSRF-Token": csrf } });
  assert.equal((await post(`${jobs[0].id}/again`, { reason: " ".repeat(300) })).status(), 422);
  assert.equal((await post(`${jobs[0].id}/cancel`, {})).status(), 409);
  assert.equal((await post("1-aaaaaaaaaa/again", { reason: "x" })).status(), 404);
  const again = await post(`${jobs[0].id}/again`, { reason: "掉进了缝里" });
  assert.equal(again.status(), 200);
  assert.equal((await again.json()).repeats, jobs[0].id);
  await printed(5);
});

step("a person looks at a label and has it printed, with the goods of a row filled in", async () => {
  await office.visit(edge.address, "/stock");
  await office.page.locator("tr").filter({ hasText: milk.name }).filter({ hasText: "L1" }).getByRole("link", { name: "打标签" }).click();
  await office.page.getByRole("heading", { name: "批次标签" }).waitFor();
  assert.equal(await office.page.getByLabel("批号").inputValue(), "L1");
  assert.equal(await office.page.getByLabel("名称 *").inputValue(), milk.name);
  await drawn();
  const before = await black();
  assert.ok(before > 2000, `${before} dots are black`);
  await office.page.getByLabel("数量").fill("24");
  await until("another picture", async () => (await black()) !== before);
  await inspect(office, "label-lot", data);
  await office.page.getByLabel("批号").fill("批 1");
  await office.page.getByRole("status").filter({ hasText: "不能放进条码的 (10)" }).waitFor();
  await office.page.getByRole("button", { name: "打印", exact: true }).click();
  await office.page.getByRole("alert").filter({ hasText: "不能放进条码的 (10)" }).waitFor();
  assert.equal(await office.page.getByLabel("批号").inputValue(), "批 1"); // what was typed is not lost
  await office.page.getByLabel("批号").fill("L1");
  await office.page.getByLabel("每张打印份数").fill("2");
  await office.page.getByRole("button", { name: "打印", exact: true }).click();
  await office.page.getByRole("heading", { name: "标签打印" }).waitFor();
  await printed(7);
});

step("pallets get SSCCs of their own, which nobody can type", async () => {
  await office.visit(edge.address, "/labels");
  await inspect(office, "labels", data);
  await office.page.getByRole("link", { name: "托盘标签" }).click();
  await drawn();
  assert.equal(await office.page.getByLabel("托盘号 SSCC").count(), 0);
  await office.page.getByRole("searchbox").fill("no such thing");
  await office.page.getByRole("button", { name: "填入" }).click();
  await office.page.getByRole("alert").filter({ hasText: "没有找到" }).waitFor();
  await office.page.getByRole("searchbox").fill(ean(rice).replace(/^\]E0/, ""));
  await office.page.getByRole("button", { name: "填入" }).click();
  await until("the item is filled in", async () => (await office.page.getByLabel("名称").inputValue()) === rice.name);
  await drawn();
  await glance(office, "label-pallet", data);
  await office.page.getByLabel("件数（每件一个号）").fill("2");
  await office.page.getByRole("button", { name: "打印", exact: true }).click();
  await printed(9);
  const { jobs } = await (await office.context.request.get(edge.address + "/api/v1/prints")).json();
  const numbers = jobs.filter((j) => j.template === "pallet").map((j) => /\d{18}/.exec(j.title)?.[0]);
  assert.equal(new Set(numbers).size, 2, `numbers ${numbers}`);
  assert.ok(numbers.every((n) => n?.startsWith("06910420")), `numbers ${numbers}`);
});

step("a bin label for each bin that is named, and a PDF of them", async () => {
  await office.visit(edge.address, "/labels/bin");
  await office.page.getByLabel("库位编码 *").fill("A-01-1 A-01-2\nA-01-3");
  await drawn();
  const [file] = await Promise.all([office.page.waitForEvent("download"), office.page.getByRole("button", { name: "存为 PDF" }).click()]);
  assert.match(file.suggestedFilename(), /^label-bin\.pdf$/);
  await office.page.getByRole("button", { name: "打印", exact: true }).click();
  await printed(12);
});

step("a worker asks for a label once more, and somebody else allows it", async () => {
  const boss = await browser.person(), who = "李师傅";
  await boss.visit(rig.hub.address, "/login");
  await signIn(boss);
  await boss.page.getByRole("navigation").waitFor();
  const w = await join(browser, boss, rig.hub.address, who, "warehouse-worker", "SHA");
  let tries = 0;
  await until("the node knows the worker", async () => { // few tries, for wrong names have a brake
    if (tries++ % 4) return false;
    await w.visit(edge.address, "/login");
    await signIn(w, password + who, who);
    await w.page.locator('form[action="/logout"], [role="alert"]').first().waitFor();
    return (await w.page.locator('form[action="/logout"]').count()) > 0;
  });
  await w.visit(edge.address, "/printing");
  await w.page.locator("#history tr").filter({ hasText: milk.name }).getByRole("link", { name: "详情" }).last().click();
  assert.equal(await w.page.getByRole("button", { name: "再打一次" }).count(), 0);
  await inspect(w, "print-ask", data);
  await w.page.getByLabel("标签损坏或脏污").check();
  await w.page.getByRole("button", { name: "申请补打" }).click();
  await w.page.locator("#reprints li").filter({ hasText: who }).getByRole("button", { name: "撤回" }).waitFor();
  assert.equal(await w.page.getByRole("button", { name: "同意补打" }).count(), 0);
  const before = await labels();
  await office.visit(edge.address, "/printing");
  await section("reprints", who).getByText("标签损坏或脏污").waitFor();
  await inspect(office, "reprints", data);
  await office.page.getByRole("button", { name: "不同意" }).click(); // the page asks for a reason first
  await section("reprints", who).waitFor();
  await office.page.getByRole("button", { name: "同意补打" }).click();
  await printed(before + 1);
  await until("no request waits", async () => { await office.visit(edge.address, "/printing"); return (await office.page.locator("#reprints").count()) === 0; });
  const { jobs } = await (await office.context.request.get(edge.address + "/api/v1/prints")).json();
  assert.ok(jobs.some((j) => j.actor === who && j.reason === "标签损坏或脏污" && j.repeats), JSON.stringify(jobs[0]));
  await w.leave();
  await boss.leave();
});

step("nothing was wrong meanwhile", async () => {
  await p.leave();
  await office.leave();
});
