// Headquarters: what two warehouses scan becomes stock that can be found, and every figure
// leads back to the batch and the leaf of the audit log that it came in.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, steps, until } from "./browser.mjs";
import { catalogue, ean, gs1, items, milk, oil, rice, soap } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, join } from "./people.mjs";
import { start } from "./rig.mjs";

const data = ["收货口", "发货口", "样品茶", "个", "货架", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
const step = steps(test);
let rig, browser, p, hub;

before(async () => {
  rig = await start({ ...catalogue, nodes: [
    { id: "sh-1", warehouse: "SHA", stations: [{ name: "sh-dock", label: "收货口", mode: "receive" }] },
    { id: "cd-1", warehouse: "CTU", stations: [{ name: "cd-dock", label: "发货口", mode: "receive" }] },
  ] });
  hub = rig.hub;
  browser = await launch();
  p = await browser.person();
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

const row = (...texts) => texts.reduce((rows, hasText) => rows.filter({ hasText }), p.page.locator("tbody tr"));
const search = async (words) => {
  await p.page.getByRole("searchbox").fill(words);
  await p.page.getByRole("button", { name: "搜索" }).click();
  await p.page.waitForURL((url) => url.searchParams.get("q") === words);
};
/** appears looks again and again until the page shows so many of something. */
const appears = (what, count, locator) => until(what, async () => {
  await p.page.reload();
  return (await locator.count()) === count;
});
const stocked = (rows) => until(`${rows} rows of stock`, async () => (await rig.hubJSON("stock", "--json")).rows.length === rows);

step("a hub without stock says what to do next", async () => {
  await begin(p, hub);
  await p.page.getByText("还没有库存").waitFor();
  await glance(p, "hub-empty", data);
});

step("stock of both warehouses, found by name, SKU, GTIN and lot", async () => {
  await rig.scan("sh-dock", gs1(milk, { lot: "LOT-7", expiry: "351231", count: "1200" }));
  await rig.scan("sh-dock", ean(rice));
  await rig.scan("cd-dock", gs1(milk, { lot: "LOT-8", expiry: "361231", count: "30" }));
  await rig.scan("cd-dock", gs1(soap, { serial: "SN-1" }));
  await stocked(4);
  await p.visit(hub.address);
  for (const [words, count, what] of [["牛奶", 2, milk], ["SOAP", 1, soap], [rice.gtin, 1, rice], ["LOT-7", 1, milk], ["SN-1", 1, soap]]) {
    await search(words);
    const names = await p.page.locator("td.item-cell b").allInnerTexts();
    assert.deepEqual(names, Array(count).fill(what.name), words);
  }
  await p.visit(hub.address, "/?warehouse=SHA");
  assert.equal(await p.page.locator("tbody tr").count(), 2);
  assert.match(await p.page.locator(".as-of").innerText(), /SHA · sh-1 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
  await p.visit(hub.address);
  await row("1,200 盒", "LOT-7").waitFor();
  await inspect(p, "hub-stock", data);
});

step("from an item to its movements, the batch and the leaf", async () => {
  await row(milk.name, "SHA").getByRole("link", { name: milk.sku }).click();
  await p.page.getByRole("heading", { name: milk.name }).waitFor();
  await p.page.locator(".figure", { hasText: "全部仓库合计" }).getByText("1,230 盒").waitFor();
  await p.page.locator(".figure", { hasText: "CTU" }).getByText("30 盒", { exact: true }).waitFor();
  const history = p.page.locator("#history tbody tr");
  assert.equal(await history.count(), 2);
  await inspect(p, "hub-item", data);
  const from = history.filter({ hasText: "LOT-7" });
  const leaf = /日志第 ([\d,]+) 条/.exec(await from.innerText())[1];
  await from.getByRole("link").click();
  await p.page.getByRole("heading", { name: /^批次 sh-1 1\.\d+$/ }).waitFor();
  const facts = p.page.locator("dl.facts");
  await facts.getByText(leaf, { exact: false }).first().waitFor();
  await appears("the leaf under a signed head", 1, facts.getByText("已在签名的日志头"));
  assert.match(await facts.innerText(), /[0-9a-f]{64}/);
  await p.page.locator(`tr[id="${new URL(p.page.url()).hash.slice(1)}"]`).getByText("LOT-7").waitFor();
  await inspect(p, "hub-batch", data);
});

step("the nodes and the head of the audit log", async () => {
  await p.visit(hub.address, "/nodes");
  await row("sh-1", "正常").waitFor();
  await row("cd-1", "正常").waitFor();
  await inspect(p, "hub-nodes", data);
  assert.equal((await p.visit(hub.address, "/audit")).status(), 403); // that is somebody else's
  const auditor = await join(browser, p, hub.address, "审计小李", "auditor");
  await auditor.visit(hub.address, "/"); // leads to what an auditor may see
  await until("both nodes have co-signed", async () => {
    await auditor.page.reload();
    return (await auditor.page.locator("tbody tr").filter({ hasText: "-1" }).count()) === 2;
  });
  assert.match(await auditor.page.locator("pre").innerText(), /\n\d+\n[A-Za-z0-9+/]{43}=\n\n— /);
  await inspect(auditor, "hub-audit", [...data, "审计小李"]);
  await auditor.leave();
});

step("goods that went out unseen are a case, and close when it is cleared up", async () => {
  await p.visit(hub.address, "/exceptions");
  await p.page.getByText("没有异常").waitFor();
  await glance(p, "hub-exceptions-none", data);
  const lead = await browser.person();
  await begin(lead, rig.nodes[0]);
  for (const text of ["STK:MODE:PICK", "BIN:A-01", ean(oil)]) await rig.scan("sh-dock", text);
  await lead.visit(rig.nodes[0].address, "/station/sh-dock");
  await lead.page.getByRole("link", { name: "主管放行" }).click();
  await lead.page.getByLabel("原因").fill("客户在等，货在架上");
  await lead.page.getByRole("button", { name: "放行并入账" }).click();
  await lead.page.waitForURL((url) => url.pathname === "/station/sh-dock");
  await lead.leave();
  await appears("the case", 1, row("负库存", oil.sku));
  await row("负库存").getByText("A-01").waitFor();
  await inspect(p, "hub-exceptions", [...data, "客户在等，货在架上"]);
  await row("负库存").getByRole("link", { name: oil.sku }).click();
  await p.page.getByText("特批：客户在等，货在架上").waitFor();
  await p.page.locator("#history").getByText("王主管").waitFor();

  for (const text of ["STK:MODE:RECEIVE", ean(oil), "STK:MODE:TRANSFER", "BIN:RECV", "BIN:A-01", ean(oil)]) await rig.scan("sh-dock", text);
  await p.visit(hub.address, "/exceptions");
  await appears("the end of the case", 0, row("负库存"));
  await p.page.getByRole("link", { name: "包括已关闭" }).click();
  await row("负库存", "已关闭").waitFor();
});

step("two machines with one node's card: a person decides", async () => {
  await rig.call({ do: "stop", node: "cd-1" });
  const { address } = await rig.call({ do: "clone", node: "cd-1" });
  const twin = await browser.person();
  await twin.visit(address, "/station/cd-dock");
  const type = async (text) => {
    await twin.page.keyboard.type(text);
    await twin.page.keyboard.press("Enter");
  };
  await type(rice.gtin);
  await twin.page.locator('[data-outcome="accepted"]').waitFor();
  await rig.call({ do: "start", node: "cd-1" });
  await p.visit(hub.address, "/nodes");
  await until("a dispute", async () => {
    await rig.scan("cd-dock", ean(oil));
    await type(rice.gtin);
    await p.page.reload();
    return (await row("cd-1", "需要判断").count()) === 1;
  });
  await glance(p, "hub-dispute", data);
  await twin.leave();
  await rig.call({ do: "unclone" });
  assert.equal(await row("cd-1").getByRole("button").count(), 0); // operations see it, a system administrator decides
  const admin = await join(browser, p, hub.address, "系统小赵", "system-administrator");
  await admin.visit(hub.address, "/nodes");
  const dispute = admin.page.locator("tbody tr").filter({ hasText: "cd-1" });
  await dispute.getByLabel("理由（必填）").fill("备用机已关机");
  await Promise.all([admin.page.waitForEvent("load"), dispute.getByRole("button", { name: "副本已停用，结束争议" }).click()]);
  await admin.leave();
  await p.visit(hub.address, "/nodes");
  await appears("the end of the dispute", 1, row("cd-1", "正常"));
});

step("the catalogue takes items and bins, and says what is wrong with one", async () => {
  await p.visit(hub.address, "/catalogue");
  await inspect(p, "hub-catalogue", data);
  const add = async (sku, name, codes) => {
    await p.page.getByLabel("编码", { exact: true }).fill(sku);
    await p.page.getByLabel("名称", { exact: true }).fill(name);
    await p.page.getByLabel("条码", { exact: true }).fill(codes);
    await p.page.locator('form[action="/catalogue/item"]').getByRole("button", { name: "保存" }).click();
  };
  await add("TEA-S", "样品茶", "16901234567890");
  await p.page.getByRole("alert").filter({ hasText: "校验位" }).waitFor();
  assert.equal(await p.page.getByLabel("名称", { exact: true }).inputValue(), "样品茶");
  await add("TEA-S", "样品茶", "6901234567892");
  await p.page.getByRole("heading", { name: "样品茶" }).waitFor();
  await p.visit(hub.address, "/catalogue");
  await p.page.getByLabel("仓库").fill("SHA");
  await p.page.getByLabel("货位").fill("C-09");
  await p.page.getByLabel("说明").fill("货架");
  await p.page.locator('form[action="/catalogue/bin"]').getByRole("button", { name: "保存" }).click();
  await p.page.locator("#bins tbody tr", { hasText: "C-09" }).waitFor();
  await rig.scan("sh-dock", "STK:MODE:RECEIVE");
  await until("the new item at the warehouse", async () => {
    await rig.scan("sh-dock", "]E06901234567892");
    return (await rig.hubJSON("stock", "--json")).rows.some((r) => r.sku === "TEA-S" || r.gtin === "06901234567892");
  });
});

step("nothing was wrong meanwhile", () => p.leave());
