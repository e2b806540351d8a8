// What people ask others for: a permission for a time, from the asking through a second account's approval to its end, and rows that leave the house.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps, until } from "./browser.mjs";
import { catalogue, ean, gs1, items, milk, oil, rice } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const worker = "李师傅", manager = "周经理", auditor = "郑审计", secret = "三更灯火五更鸡-正是男儿读书时";
const reason = "年底盘点要对账", data = [worker, manager, auditor, reason, "月底结账", "收货口", "个", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
let rig, hub, browser, p, w, m, a, link;
const press = (label, who) => who.page.getByRole("button", { name: label, exact: true }).click();
const said = (sentence, who) => who.page.getByRole("alert").filter({ hasText: sentence }).waitFor();

/** account makes an account, as the administrator does, and opens it as the person does. */
async function account(who, role, warehouses) {
  await p.visit(hub, "/people/new");
  await p.page.fill("#name", who);
  await p.page.getByLabel(role, { exact: true }).check();
  await p.page.fill("#warehouses", warehouses);
  await press("建立并生成激活码", p);
  const code = await p.page.locator(".activation").innerText();
  const window = await browser.person({ acceptDownloads: true });
  await window.visit(hub, "/activate");
  await window.page.fill("#code", code);
  await window.page.fill("#password", secret);
  await press("保存并登录", window);
  await window.page.waitForURL((url) => url.pathname !== "/activate"); // where a person may go
  return window;
}

/** ask asks for a permission at SHA until two days from now. */
async function ask(who, permission, fields = {}) {
  await who.visit(hub, "/approvals");
  await who.page.getByRole("link", { name: "申请临时权限" }).click();
  await who.page.selectOption("#permission", permission);
  for (const [field, open] of Object.entries(fields)) await who.page.getByLabel(field, { exact: true }).selectOption(open);
  await who.page.getByLabel("SHA", { exact: true }).check();
  await who.page.fill("#reason", reason);
  await press("提交申请", who);
  await who.page.waitForURL(/\/approvals\/request\//);
  return new URL(who.page.url()).pathname;
}

/** fetched presses a button that gives a file and returns its name and bytes. */
async function fetched(who, label) {
  const [file] = await Promise.all([who.page.waitForEvent("download"), press(label, who)]);
  return [file.suggestedFilename(), readFileSync(await file.path())];
}

before(async () => {
  rig = await start({ ...catalogue, free: 2, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "sh-dock", label: "收货口", mode: "receive" }] }] });
  hub = rig.hub.address;
  await rig.scan("sh-dock", gs1(milk, { lot: "LOT-7", expiry: "351231", count: "1200" }));
  await rig.scan("sh-dock", ean(rice));
  await rig.scan("sh-dock", ean(oil));
  browser = await launch();
  p = await browser.person();
  await begin(p, rig.hub);
  await until("three rows of stock", async () => (await rig.hubJSON("stock", "--json")).rows.length === 3);
  w = await account(worker, "仓库员工", "SHA");
  m = await account(manager, "分支经理", "SHA");
  a = await account(auditor, "审计员", "");
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

step("a worker asks for two permissions", async () => {
  await w.visit(hub, "/approvals");
  await w.page.getByText("您还没有申请过什么。").waitFor();
  await w.visit(hub, "/approvals/new");
  await w.page.selectOption("#permission", "stock.export");
  await w.page.getByLabel("SHA", { exact: true }).uncheck();
  await w.page.fill("#reason", reason);
  await press("提交申请", w);
  await said("请勾选仓库", w);
  await w.visit(hub, "/approvals/new"); // a permission shows the fields that it can open
  await w.page.selectOption("#permission", "customer.read");
  await w.page.getByLabel("电话", { exact: true }).selectOption("可读");
  await w.page.selectOption("#permission", "case.read");
  await w.page.locator("#field_5").waitFor({ state: "detached" });
  await w.visit(hub, "/approvals/new?permission=customer.read");
  await inspect(w, "ask-fields", data);
  await ask(w, "export.create");
  link = await ask(w, "stock.export", { 成本: "脱敏" });
  await w.page.getByText("成本脱敏").waitFor();
  await w.visit(hub, "/approvals");
  await inspect(w, "requests", data);
});

step("who asks does not approve, and an edit voids what was shown", async () => {
  await m.visit(hub);
  await m.page.getByRole("link", { name: /^申请(审批|与导出) 2$/ }).click(); // the count in the menu, at the entry or its group
  await m.page.getByRole("link", { name: "待我审批" }).click();
  await m.page.getByRole("link", { name: "导出库存" }).click();
  await m.page.getByText("成本脱敏").waitFor(); // the approver sees what is to be opened
  await inspect(m, "request-answer", data);

  await w.visit(hub, link);
  assert.equal(await w.page.getByRole("button", { name: "批准" }).count(), 0);
  await w.page.getByRole("link", { name: "修改", exact: true }).click();
  await w.page.fill("#reason", "月底结账");
  await press("提交申请", w);
  await w.page.getByText("修改申请，原批准作废").waitFor();

  await press("批准", m); // of what was shown before
  await said("申请人刚刚改了内容", m);
  await press("拒绝", m); // now with the present content, and without a reason
  await said("请写明理由", m);
  await press("批准", m);
  await m.page.getByText("生效中").waitFor();
  await m.visit(hub, "/approvals/waiting");
  await m.page.getByRole("link", { name: "导出文件" }).click();
  await rig.stale();
  await press("批准", m);
  await m.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await m.page.fill("#confirm", secret);
  await press("确认并继续", m);
  await m.page.getByText("生效中").waitFor();
  await m.visit(hub, "/approvals/waiting");
  await m.page.getByText("没有等您审批的申请。").waitFor();
});

step("an export over the limit waits for an approval, and is then fetched", async () => {
  await w.visit(hub, "/exports");
  await inspect(w, "exports", data);
  await w.page.fill("#reason", reason);
  await press("导出", w);
  await w.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await w.page.fill("#confirm", secret);
  await press("确认并继续", w);
  await w.page.getByText("等待审批").waitFor();
  assert.equal(await w.page.getByRole("button", { name: "下载 CSV" }).count(), 0);

  await m.visit(hub, "/approvals/waiting");
  await m.page.getByRole("link", { name: "导出库存，共 3 行" }).click();
  await m.page.getByRole("cell", { name: milk.name }).waitFor(); // the approver sees rows
  await glance(m, "request-export", data);
  await press("批准", m);
  await m.page.getByText("已批准").waitFor();

  await w.visit(hub, "/exports");
  const [csvName, csv] = await fetched(w, "下载 CSV");
  const lines = csv.toString("utf8").split("\r\n");
  const rows = createHash("sha256").update(lines.slice(2).join("\r\n")).digest("hex");
  assert.ok(csvName.startsWith("stock_E") && csvName.includes(worker) && csvName.endsWith(`_${rows.slice(0, 16)}.csv`), csvName);
  assert.ok(lines[0].startsWith("\uFEFFSTOCKADE,E") && lines[0].includes(worker) && lines[0].endsWith("sha256 " + rows), lines[0]);
  assert.equal(lines.length, 2 + 3 + 1);
  assert.ok(lines.some((l) => l.includes(milk.name) && l.includes("LOT-7") && l.includes(",1200,")));
  const [bookName, book] = await fetched(w, "下载 Excel");
  assert.ok(bookName.endsWith(".xlsx") && book.subarray(0, 2).toString() === "PK", bookName);
  await w.page.fill('input[name="password"]', "short");
  await press("下载 Excel", w);
  await said("密码只能用于 Excel 文件", w);
  await w.visit(hub, "/exports");
  await w.page.fill('input[name="password"]', "only for the auditor's eyes");
  const [, locked] = await fetched(w, "下载 Excel");
  assert.equal(locked.subarray(0, 8).toString("hex"), "d0cf11e0a1b11ae1"); // a compound file: encrypted (MS-OFFCRYPTO)
  await glance(w, "exports-ready", data);
});

step("who looks sees how often a permission was used, and who has it", async () => {
  await m.visit(hub, link);
  await m.page.getByText("已用 1 次").waitFor(); // one export was made by it
  await glance(m, "request-used", data);
  await p.visit(hub, "/rights/see?account=" + worker);
  await p.page.locator('[data-permission="stock.export"]').getByText("临时", { exact: true }).waitFor();
  await glance(p, "see-lent", data);
  await p.visit(hub, `/rights/why?account=${worker}&permission=stock.export`);
  await p.page.getByText(`由 ${manager} 批准`).waitFor();
  await p.visit(hub, "/rights/report?by=person&q=" + manager);
  await glance(p, "report-lent", data);
  assert.equal(await p.page.locator("tr", { hasText: `（${manager} 批准）` }).count(), 2);
});

step("pages tell on the screen and in print who looks at them", async () => {
  await w.visit(hub, "/approvals");
  const mark = w.page.locator("img.watermark");
  assert.ok(await mark.evaluate((e) => e.complete && e.naturalWidth > 0));
  const svg = await (await w.context.request.get(hub + "/watermark.svg")).text();
  for (const part of [worker, new URL(hub).host, /\d{4}-\d\d-\d\d \d\d:\d\d/]) assert.match(svg, part instanceof RegExp ? part : new RegExp(part.replaceAll(".", "\\.")));
  for (const media of ["screen", "print"]) {
    await w.page.emulateMedia({ media });
    const [seen, box] = [await w.page.screenshot(), await mark.boundingBox()];
    await shot(w.page, `watermark-${media}`);
    await mark.evaluate((e) => { e.hidden = true; });
    const without = await w.page.screenshot();
    await mark.evaluate((e) => { e.hidden = false; });
    assert.ok(!seen.equals(without), `${media}: nothing is seen`);
    assert.ok(box.width >= sizes.desktop.width - 20 && box.height >= sizes.desktop.height - 20, `${media}: ${JSON.stringify(box)}`);
  }
  await w.page.emulateMedia({ media: "screen" });
  const anybody = await browser.person();
  assert.equal((await anybody.visit(hub, "/login")).status(), 200);
  assert.equal(await anybody.page.locator("img.watermark").count(), 0);
  await anybody.leave();
});

step("the auditor sees all of it", async () => {
  await a.visit(hub, "/approvals/all");
  assert.equal(await a.page.locator("tbody tr").count(), 3);
  await glance(a, "requests-all", data);
  await a.page.getByRole("link", { name: "导出库存", exact: true }).click();
  await a.page.getByText("批准，申请通过").waitFor();
  assert.equal(await a.page.getByRole("button", { name: "批准" }).count(), 0);
  await a.visit(hub, "/exports/all");
  await glance(a, "exports-all", data);
});

step("a permission ends by itself", async () => {
  await rig.call({ do: "expire" });
  await w.visit(hub, link);
  await w.page.getByText("已结束").waitFor();
  const status = (await w.visit(hub, "/exports")).status();
  if (status === 200) { // the page may still be open to everybody; the rows are not
    await w.page.fill("#reason", reason);
    await press("导出", w);
    await said("您没有导出这些数据的权限", w);
  } else assert.equal(status, 403);
});

step("nothing was wrong meanwhile", async () => { for (const who of [w, m, a, p]) await who.leave(); });
