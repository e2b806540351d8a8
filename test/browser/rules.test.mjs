// What the rules of approval decide: the rules themselves on their pages, and a price that is large enough to wait for somebody else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, steps, until } from "./browser.mjs";
import { catalogue, gs1, items, milk } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, join, password } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const finance = "孙财务", seller = "钱销售", boss = "周经理", copied = "大额调价要两级审批", why = "供应商涨价", note = "董事会的决定";
const data = [finance, seller, boss, "收货口", copied, why, note, "个", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
let rig, hub, browser, p, f, s, b, link;
const press = (label, who) => who.page.getByRole("button", { name: label, exact: true }).click();
const said = (sentence, who) => who.page.getByRole("alert").filter({ hasText: sentence }).waitFor();

/** confirmed gives the factor again where the page asks for it. */
async function confirmed(who, secret) {
  await who.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await who.page.fill("#confirm", secret);
  await press("确认并继续", who);
}

/** price asks for another amount of milk. */
async function price(who, kind, amount, reason = why) {
  await who.visit(hub, `/item/${milk.sku}/prices`);
  await who.page.selectOption("#class", { label: kind });
  await who.page.fill("#amount", amount);
  await who.page.fill("#reason", reason);
  await press("提交", who);
}

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "sh-dock", label: "收货口", mode: "receive" }] }] });
  hub = rig.hub.address;
  await rig.scan("sh-dock", gs1(milk, { lot: "LOT-7", expiry: "351231", count: "1200" }));
  browser = await launch();
  p = await browser.person();
  await begin(p, rig.hub);
  f = await join(browser, p, hub, finance, "finance");
  s = await join(browser, p, hub, seller, "seller");
  b = await join(browser, p, hub, boss, "branch-manager", "SHA");
  await until("stock", async () => (await rig.hubJSON("stock", "--json")).rows.length === 1);
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

step("rules are read in order, and a draft counts for nothing", async () => {
  await p.visit(hub, "/approvals/rules");
  await p.page.getByText("现行：系统预置的规则").waitFor();
  await inspect(p, "rules", data);
  await p.page.getByRole("link", { name: "修改 调价幅度 10% 以上由财务审批", exact: true }).click();
  await inspect(p, "rule", data);
  await p.page.fill("#zh", copied);
  await p.page.fill("#en", "");
  await p.page.fill("#percent", "abc");
  await press("存进草稿", p);
  await said("幅度请填数字", p);
  assert.equal(await p.page.inputValue("#zh"), copied);
  await p.page.fill("#percent", "20");
  await press("存进草稿", p);
  await p.page.getByText("您有未保存的改动，还没有生效。").waitFor();
  await p.page.getByRole("button", { name: "删除 小幅调价直接生效", exact: true }).click();
  await p.page.getByRole("link", { name: "查看改动并保存" }).click();
  await p.page.getByText("调价：缺少兜底规则").waitFor();
  assert.equal(await p.page.getByRole("button", { name: "保存并生效" }).count(), 0);
  await glance(p, "rules-stopped", data);
  await press("放弃全部改动", p);
  await p.page.getByText("现行：系统预置的规则").waitFor();
  assert.equal(await p.page.getByText("您有未保存的改动").count(), 0);
});

step("what changes and what is wrong stands in words before it is saved, with a factor", async () => {
  await p.page.getByRole("link", { name: "修改 调价幅度 10% 以上由财务审批", exact: true }).click();
  await p.page.fill("#zh", copied);
  await p.page.fill("#percent", "20");
  await press("存进草稿", p);
  await p.page.getByRole("button", { name: "上移 跨仓权限由总部运营审批", exact: true }).click();
  await p.page.getByRole("link", { name: "查看改动并保存" }).click();
  await p.page.getByText("适用：调价，变动 ≥ 20%").waitFor();
  await p.page.getByText("永远轮不到").first().waitFor(); // the one for warehouses stands behind the one that takes all
  await inspect(p, "rules-changes", data);
  await p.page.fill("#note", note);
  await p.page.getByLabel("以上问题我已看过，仍要保存").check();
  await rig.stale();
  await press("保存并生效", p);
  await confirmed(p, password);
  await p.page.getByText("已保存，从现在起生效。").waitFor();
  await p.visit(hub, "/approvals/rules/history");
  await inspect(p, "rules-history", data);
  await p.page.getByRole("link", { name: "系统预置" }).click();
  await press("以此版为草稿", p);
  await p.page.getByText("适用：调价，变动 ≥ 10%").waitFor();
  await press("放弃全部改动", p);
});

step("a first price and a small change count at once", async () => {
  await p.visit(hub, `/item/${milk.sku}/prices`);
  await inspect(p, "prices-empty", data);
  await price(p, "售价", "ten");
  await said("金额请填数字", p);
  await price(p, "售价", "10.00");
  await p.page.getByText("已生效。").waitFor();
  await price(p, "售价", "11.90"); // 19 %: the saved rule lets it through
  await p.page.getByText("已生效。").waitFor();
  await price(p, "成本", "6.25");
  await p.page.getByText("已生效。").waitFor();
});

step("a large change waits, and its approver sees both amounts; another price meanwhile voids it", async () => {
  await price(p, "售价", "15");
  await p.page.getByText("等待审批").first().waitFor();
  link = new URL(p.page.url()).pathname;
  assert.equal(await p.page.getByRole("button", { name: "批准" }).count(), 0);
  await f.visit(hub, "/approvals/waiting");
  await f.page.getByRole("link", { name: `调整售价：${milk.name}` }).click();
  for (const text of ["11.90 CNY", "15.00 CNY", "+26.06%", why]) await f.page.getByText(text).first().waitFor();
  await inspect(f, "price-request", data);
  await p.page.getByRole("link", { name: "修改", exact: true }).click();
  await p.page.fill("#amount", "16");
  await press("提交", p);
  await p.page.getByText("16.00 CNY").waitFor();
  await press("批准", f); // of what was shown before
  await confirmed(f, password + finance);
  await said("申请人刚刚改了内容", f);
  await price(p, "售价", "12");
  await p.page.getByText("已生效。").waitFor();
  await p.visit(hub, link);
  await p.page.getByText("情况已变，申请作废").waitFor();
  await price(p, "售价", "18");
  await p.page.getByText("等待审批").first().waitFor();
  await f.visit(hub, "/approvals/waiting");
  await f.page.getByRole("link", { name: `调整售价：${milk.name}` }).click();
  await press("批准", f);
  await f.page.getByText("已批准").waitFor();
  await p.visit(hub, `/item/${milk.sku}/prices`);
  await p.page.locator(".figure", { hasText: "18.00" }).waitFor();
  assert.equal(await p.page.locator("tbody tr").count(), 5);
  await inspect(p, "prices", data);
});

step("everybody sees of prices and values what their role opens, and programs the same", async () => {
  const json = async (who, path) => (await who.context.request.get(hub + path)).json();
  const book = `/api/v1/items/${milk.sku}/prices`;
  assert.equal((await json(f, book)).cost, "6.25");
  const seen = await json(s, book);
  assert.ok(seen.price === "18.00" && !("cost" in seen) && seen.history.every((l) => l.class === "price"), JSON.stringify(seen));
  assert.equal((await json(f, "/api/v1/stock")).rows[0].value, "7500.00");
  assert.ok(!("value" in (await json(s, "/api/v1/stock")).rows[0]));
  await f.visit(hub);
  await f.page.getByRole("cell", { name: "7500.00" }).waitFor();
  await glance(f, "stock-value", data);
  await f.visit(hub, `/item/${milk.sku}`);
  await f.page.locator(".figure", { hasText: "6.25" }).waitFor();
  await glance(f, "item-price", data);
  await f.visit(hub, "/catalogue");
  await f.page.getByRole("cell", { name: "6.25" }).waitFor();
  await glance(f, "catalogue-price", data);
  await s.visit(hub, `/item/${milk.sku}/prices`);
  assert.equal(await s.page.getByText("6.25").count(), 0);
  assert.equal(await s.page.getByRole("button", { name: "提交", exact: true }).count(), 0);
});

step("a large adjustment is confirmed by somebody of the warehouse", async () => {
  for (const code of ["STK:MODE:COUNT", "BIN:A-01", gs1(milk, { lot: "LOT-7", expiry: "351231", count: "40" }), "STK:CONFIRM"]) await rig.scan("sh-dock", code);
  await until("the case", async () => (await (await b.context.request.get(hub + "/api/v1/exceptions")).json()).exceptions.some((c) => c.kind === "large_adjustment"));
  await b.visit(hub, "/exceptions");
  await b.page.getByText("盘点差异大").waitFor();
  await glance(b, "adjustment-case", data);
  await b.visit(hub);
  await b.page.getByText("盘点差异待确认").waitFor();
  await b.visit(hub, "/approvals/waiting");
  await b.page.getByRole("link", { name: `确认盘点差异：${milk.name}` }).click();
  for (const text of ["SHA/A-01", "LOT-7", "250.00 CNY"]) await b.page.getByText(text).first().waitFor(); // 40 at the cost of 6.25
  await inspect(b, "adjustment-request", data);
  await press("批准", b);
  await confirmed(b, password + boss);
  await b.page.getByText("已批准").waitFor();
  await b.visit(hub);
  assert.equal(await b.page.getByText("盘点差异待确认").count(), 0);
  await b.visit(hub, "/exceptions?all=1");
  await b.page.getByText(`✓ ${boss}`).waitFor();
});

step("nothing was wrong meanwhile", async () => { for (const who of [f, s, b, p]) await who.leave(); });
