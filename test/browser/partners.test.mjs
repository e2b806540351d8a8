// Suppliers and customers: what each person sees of the same customer, looking behind a mask for a reason, whose customers are whose, and forgetting a person.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, join } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const company = "海上花贸易有限公司", contact = "钱多多", phone = "139 8101 2222", email = "duoduo@maker.example.cn", address = "上海市浦东新区张江路777号9楼", seller = "孙销售", other = "吴销售", auditor = "郑审计";
const data = [company, contact, phone, address, "上海市浦东新区", "139****2222", "d***@maker.example.cn", seller, other, auditor, "钱**", "货到 30 天", "她本人来信要求删除", "问送货地址"];
let rig, hub, browser, p, s, o, a, link;
const press = (label, who) => who.page.getByRole("button", { name: label, exact: true }).click();
const said = (sentence, who) => who.page.getByRole("alert").filter({ hasText: sentence }).waitFor();
const value = (key, who = p) => who.page.locator(`#value-${key}`);

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "sh-dock", label: "收货口", mode: "receive" }] }] });
  hub = rig.hub.address;
  browser = await launch();
  p = await browser.person();
  await begin(p, rig.hub);
  s = await join(browser, p, hub, seller, "seller");
  o = await join(browser, p, hub, other, "seller");
  a = await join(browser, p, hub, auditor, "auditor");
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

step("a seller makes a customer", async () => {
  await s.visit(hub, "/customers");
  await s.page.getByText("没有找到。").waitFor();
  await s.page.getByRole("link", { name: "新建客户" }).click();
  assert.equal(await s.page.locator("#f-bank_account").count(), 0);
  assert.equal(await s.page.locator("#code, #keeper").count(), 0);
  await glance(s, "customer-new", data);
  for (const [key, text] of Object.entries({ name: company, contact, phone, email: "duoduo", address, terms: "货到 30 天", tax_number: "91350100M000100Y44" })) await s.page.fill(`#f-${key}`, text);
  await press("保存", s);
  await said("邮箱不对", s);
  assert.equal(await s.page.inputValue("#f-address"), address);
  await s.page.fill("#f-email", email);
  await press("保存", s);
  await said("统一社会信用代码不对", s);
  await s.page.fill("#f-tax_number", "91350100M000100Y43");
  await press("保存", s);
  await s.page.waitForURL(/\/customers\/P00001$/);
  link = new URL(s.page.url()).pathname;
  for (const [key, text] of Object.entries({ contact, phone, email, address })) assert.equal(await value(key, s).innerText(), text);
  assert.equal(await value("bank_account", s).count(), 0);
});

step("another seller has no such customer", async () => {
  await o.visit(hub, "/customers?state=all&q=" + encodeURIComponent(company));
  await o.page.getByText("没有找到。").waitFor();
  for (const path of ["", "/edit", "/history"]) assert.equal((await o.visit(hub, link + path)).status(), 404);
  await o.visit(hub, "/suppliers");
  assert.ok(!(await o.page.getByRole("navigation").innerText()).includes("供应商"));
});

step("headquarters see masks, and find nothing by what is behind them", async () => {
  await p.visit(hub, "/customers");
  await p.page.locator("td", { hasText: "139****2222" }).waitFor();
  await inspect(p, "customers", data);
  const options = await p.page.locator('select[name="field"] option').allInnerTexts();
  assert.ok(options.includes("联系人") && !options.includes("电话") && !options.includes("地址"), options.join());
  for (const [text, count] of [["81012222", 0], ["8101", 0], ["duoduo", 0], ["张江路", 0], [contact, 1], ["海上花", 1]]) {
    await p.page.getByRole("searchbox").fill(text);
    await press("查找", p);
    await p.page.waitForURL((url) => url.searchParams.get("q") === text);
    assert.equal(await p.page.locator("tbody tr").count(), count, text);
  }
  await p.page.getByRole("link", { name: company }).click();
  assert.equal(await value("address").locator(".break").innerText(), "上海市浦东新区****");
  const html = await p.page.content();
  for (const secret of ["8101", "duoduo", "张江"]) assert.ok(!html.includes(secret), secret);
  await inspect(p, "customer-masked", data);
});

step("a value is shown for a reason, and hidden again", async () => {
  await p.page.clock.install();
  await p.visit(hub, link);
  await value("phone").locator("summary").click();
  for (const size of ["phone", "desktop"]) { await p.page.setViewportSize(sizes[size]); await shot(p.page, `customer-unmask-form-${size}`); }
  await p.page.selectOption("#purpose-phone", "other");
  await p.page.fill("#reason-phone", "看看");
  await value("phone").getByRole("button", { name: "确认查看" }).click();
  await said("请选择用途", p);
  assert.equal(await p.page.inputValue("#reason-phone"), "看看");
  await p.page.fill("#reason-phone", "问送货地址");
  await value("phone").getByRole("button", { name: "确认查看" }).click();
  await value("phone").locator("b", { hasText: phone }).waitFor();
  assert.ok((await value("email").innerText()).startsWith("d***@"));
  for (const size of ["phone", "desktop"]) { await p.page.setViewportSize(sizes[size]); await shot(p.page, `customer-unmasked-${size}`); }
  await p.page.clock.fastForward("05:01");
  await value("phone").locator(".break", { hasText: "139****2222" }).waitFor();
  assert.ok(!(await p.page.content()).includes(phone));
});

step("the auditor sees who looked, and not what they saw", async () => {
  await a.visit(hub, "/audit");
  await a.page.getByRole("link", { name: "脱敏查看记录" }).click();
  await a.page.locator("tr", { hasText: "问送货地址" }).getByText("P00001").waitFor();
  await inspect(a, "unmaskings", data);
  assert.ok(!(await a.page.content()).includes("2222"));
  assert.equal((await a.visit(hub, link)).status(), 403);
});

step("the form has what may be written; every version is kept", async () => {
  await p.visit(hub, link + "/edit");
  assert.ok(await p.page.locator("#f-phone").isDisabled() && await p.page.locator("#f-bank_account").isEnabled());
  await inspect(p, "customer-edit", data);
  await p.page.fill("#f-bank_account", "6222 0210 0111 7654 321");
  await p.page.fill("#keeper", "没有这个人");
  await press("保存", p);
  await said("没有这个账号", p);
  assert.equal(await p.page.inputValue("#f-bank_account"), "6222 0210 0111 7654 321");
  await p.page.fill("#keeper", other);
  await press("保存", p);
  await p.page.waitForURL(hub + link);
  assert.equal((await s.visit(hub, link)).status(), 404); // at once
  await o.visit(hub, link + "/history");
  await o.page.getByRole("heading", { name: "第 2 版" }).waitFor();
  assert.ok(!(await o.page.content()).includes("6222"));
  await glance(o, "customer-history", data);
});

step("a person is forgotten, in every version", async () => {
  await p.visit(hub, link);
  await p.page.locator("details.card > summary", { hasText: "清除个人信息" }).click();
  await p.page.fill("#erase-reason", "她本人来信要求删除");
  await press("清除，不能恢复", p);
  await p.page.getByText("个人信息已于").waitFor();
  await shot(p.page, "customer-erased");
  await o.visit(hub, link + "/history");
  const html = await o.page.content();
  for (const secret of [contact, "8101", "duoduo", "张江"]) assert.ok(!html.includes(secret), secret);
  assert.ok(html.includes(company) && html.includes("第 3 版"));
});

step("nothing was wrong meanwhile", async () => { for (const who of [p, s, o, a]) await who.leave(); });
