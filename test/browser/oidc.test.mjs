// Signing in with the company's identity provider: linked, used to sign in and to confirm, refused, away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps, until } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { inspect } from "./look.mjs";
import { authenticator, begin, signIn } from "./people.mjs";
import { client, listen, multi } from "./provider.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const boss = "8f14e45f-ceea-4672-95ad-wang", worker = "c9f0f895-fb98-4a3f-zhang", stranger = "45c48cce-2e2d-nobody";
let company, rig, hub, browser, p, codes;

const press = (label, who = p) => who.page.getByRole("button", { name: label, exact: true }).click();
const said = (sentence, who = p) => who.page.getByRole("alert").filter({ hasText: sentence }).waitFor();
const heading = (name, who = p) => who.page.getByRole("heading", { name, exact: true }).waitFor();
const pathOf = (who = p) => new URL(who.page.url()).pathname;
const both = async (who, picture) => {
  for (const size of ["narrow", "desktop"]) { await who.page.setViewportSize(sizes[size]); await shot(who.page, `${picture}-zh-${size}`); }
};
/** at fills in the provider's page. */
const at = async (account, button = "进入", who = p) => {
  await who.page.waitForURL((u) => u.origin === company.issuer && u.pathname.startsWith("/interaction/"));
  await who.page.fill("input[name=account]", account);
  await press(button, who);
};
const button = "用公司账号登录";
/** someone returns a browser that may go to hub and provider. */
async function someone() {
  const who = await browser.person();
  await who.visit(company.issuer, "/.well-known/openid-configuration");
  await who.visit(hub, "/login");
  return who;
}

before(async () => {
  company = await listen();
  rig = await start({ ...catalogue, nodes: [], provider: { issuer: company.issuer, clientID: client.id, secret: client.secret, acr: multi } });
  hub = rig.hub.address;
  await company.open(rig.provider, hub, { [boss]: "wang@example.cn", [worker]: "zhang@example.cn", [stranger]: "nobody@example.cn" });
  browser = await launch();
  p = await someone();
  await begin(p, rig.hub);
});

after(async () => {
  await browser?.close();
  await rig?.stop();
  await company?.leave().catch(() => {});
});

step("nobody is found by name or address: a company account that nobody has linked is refused", async () => {
  const other = await someone();
  await inspect(other, "login-company");
  await press(button, other);
  await at(stranger, "进入", other);
  await said("没有绑定账号，或账号已停用", other);
  assert.equal(await other.page.locator("#subject").innerText(), stranger);
  assert.ok(!other.page.url().includes(stranger) && !other.page.url().includes("code="), other.page.url());
  await inspect(other, "company-unlinked", [stranger]);
  await other.leave();
});

step("a person links their own account", async () => {
  await p.visit(hub, "/account");
  await both(p, "account-unlinked");
  await press("绑定公司账号");
  await at(boss);
  await p.page.locator("#company").getByText("wang@example.cn").waitFor();
  assert.equal(pathOf(), "/account");
  await p.page.getByText("绑定了公司账号：wang@example.cn。").first().waitFor();
  await inspect(p, "account-linked", ["wang@example.cn"]);
  await press("知道了");
});

step("it signs in, from another site and with the provider's memory of the person", async () => {
  await press("退出");
  await p.visit(hub, "/account");
  await p.page.waitForURL(hub + "/login?next=%2Faccount");
  await press(button);
  await p.page.waitForURL(hub + "/account");
  await p.page.locator("#sessions").getByText("公司账号", { exact: true }).waitFor();
  const cookies = await p.context.cookies(hub);
  const session = cookies.find((c) => c.name.startsWith("__Host-session")), company_ = cookies.find((c) => c.name.startsWith("__Host-company"));
  assert.equal(session.sameSite, "Strict");
  assert.deepEqual([company_.sameSite, company_.httpOnly, company_.secure, company_.path], ["Lax", true, true, "/"]);
  assert.ok(company_.expires - Date.now() / 1000 <= 301);
});

step("an important act has the provider ask again, and what was typed is kept", async () => {
  await p.visit(hub, "/people/new"); // signing in there is no factor given just now
  await heading("请再次确认是您本人");
  await press("用公司账号确认");
  await at(stranger); // somebody else at the provider
  await said("不是您绑定的公司账号");
  await p.visit(hub, "/people/new");
  await press("用公司账号确认");
  await at(boss);
  await p.page.waitForURL(hub + "/people/new");
  await rig.stale();
  await p.page.fill("#name", "zhang");
  await p.page.fill("#display", "张三");
  await p.page.locator('input[name="role"][value="warehouse-worker"]').check();
  await press("建立并生成激活码");
  await heading("请再次确认是您本人");
  await inspect(p, "confirm-company", ["张三"]);
  await press("用公司账号确认");
  await at(boss);
  await heading("已确认是您本人");
  await both(p, "company-go");
  await press("继续");
  await heading("激活码");
  await p.visit(hub, "/people");
  await p.page.getByText("张三").waitFor();
});

step("an administrator links somebody who never had a password", async () => {
  await p.visit(hub, "/people/person/zhang");
  await p.page.fill("#subject", boss);
  await press("绑定");
  await said("已经绑定了别的账号");
  assert.equal(await p.page.inputValue("#subject"), boss);
  await p.page.fill("#subject", worker);
  await press("绑定");
  await p.page.locator("#company").getByText(worker).waitFor();
  await inspect(p, "person-linked", ["张三"]);

  const z = await someone();
  await press(button, z);
  await at(worker, "进入", z);
  await z.page.getByRole("link", { name: "zhang" }).waitFor();
  await z.page.getByText("管理员 王主管 给您绑定了公司账号").waitFor();
  await z.visit(hub, "/account");
  await z.page.getByText("公司账号是唯一的登录方式").waitFor();
  await z.visit(hub, "/account/factor/new"); // a page that wants a factor first
  await heading("请再次确认是您本人", z);
  assert.equal(await z.page.locator("#confirm").count(), 0); // there is no password to ask for
  await both(z, "confirm-company-only");
  await press("用公司账号确认", z);
  await at(worker, "进入", z);
  await z.page.waitForURL(hub + "/account/factor/new");
  await heading("添加手机验证器", z);

  await p.visit(hub, "/people/person/zhang");
  await press("停用账号");
  await z.visit(hub, "/account");
  await z.page.waitForURL(/\/login/); // out at once
  await press(button, z);
  await said("没有绑定账号，或账号已停用", z);
  await z.leave();
});

step("the account's own second factor is still asked for", async () => {
  await p.visit(hub, "/account/factor/new");
  await press("开始设置");
  const phone = authenticator(await p.page.locator(".secret").innerText());
  await p.page.fill("#code", await phone.next());
  await press("启用");
  await heading("备用码");
  codes = await p.page.locator(".codes li").allInnerTexts();
  await p.page.getByRole("link", { name: "我已保存好" }).click();
  await press("退出");
  await p.page.waitForURL(hub + "/login?left=company");
  await both(p, "login-left");
  const out = await p.page.getByRole("link", { name: "在那里也退出" }).getAttribute("href");
  assert.ok(out.startsWith(company.issuer + "/session/end?client_id="), out);

  await press(button);
  await p.page.waitForURL(hub + "/login/code"); // the provider remembered who it is
  await p.page.fill("#code", codes[0]);
  await press("确认");
  await p.page.waitForURL(hub + "/");
  await p.visit(hub, "/account");
  await p.page.locator("#sessions").getByText("公司账号和备用码").waitFor();
});

step("unless the provider took one; but important acts want ours", async () => {
  const other = await someone();
  await press(button, other);
  await at(boss, "两步进入", other);
  await other.page.waitForURL(hub + "/");
  await other.visit(hub, "/account/password");
  await heading("请再次确认是您本人", other);
  assert.equal(await other.page.getByRole("button", { name: "用公司账号确认" }).count(), 0);
  await other.page.fill("#confirm", codes[1]);
  await press("确认并继续", other);
  await heading("修改密码", other);
  await other.leave();
});

step("what the provider says no to is told", async () => {
  const other = await someone();
  await press(button, other);
  await at("", "拒绝", other);
  await said("公司登录系统没有放行", other);
  await both(other, "company-denied");
  await other.page.getByRole("link", { name: "回到登录页" }).click();
  await other.page.waitForURL(hub + "/login");
  // An answer that did not begin here, and one that was used.
  await other.visit(hub, "/login/company/return?code=x&state=y&iss=" + encodeURIComponent(company.issuer));
  await said("等太久了", other);
  await other.visit(hub, "/login/company/problem?why=no_such_thing");
  await other.page.getByText("没有这个页面").waitFor();
  // Without a form of ours nobody is sent anywhere.
  const { status } = await other.page.evaluate(async () => ({ status: (await fetch("/login/company", { method: "POST" })).status }));
  assert.equal(status, 403);
  await other.leave();
});

step("under another name of the hub it is said where it works", async () => {
  const other = await browser.person();
  await other.visit(hub.replace("localhost", "127.0.0.1"), "/login");
  assert.equal(await other.page.getByRole("button", { name: button }).count(), 0);
  assert.equal(await other.page.getByRole("link", { name: hub }).getAttribute("href"), hub + "/login");
  await both(other, "login-company-elsewhere");
  await other.leave();
});

step("while the provider is away, passwords work", async () => {
  const other = await someone();
  await company.leave();
  await until("the hub finds the provider away", async () => { // which it takes to be there for some seconds
    if (!(await other.visit(hub, "/login").then(() => true, () => false))) return false; // the browser's own page about a provider that does not answer came between
    await press(button, other);
    await Promise.race([other.page.getByRole("alert").waitFor(), other.page.waitForURL("chrome-error://**")]).catch(() => {});
    return other.page.getByText("请过一会儿再试，或用密码登录").isVisible();
  });
  await both(other, "login-provider-away");
  await signIn(other);
  await other.page.fill("#code", codes[2]);
  await press("确认", other);
  await other.page.waitForURL(hub + "/");
  await company.come();
  other.problems.splice(0, Infinity, ...other.problems.filter((s) => !s.includes("status of 503")));
  await other.leave();
});

step("unlinked, it signs in no more", async () => {
  await p.visit(hub, "/account");
  await press("解除绑定");
  if (await p.page.locator("#confirm").count()) { // when five minutes have passed
    await p.page.fill("#confirm", codes[3]);
    await press("确认并继续");
  }
  await p.page.locator("#company").getByText("没有绑定").waitFor();
  await p.page.getByText("解除了公司账号 wang@example.cn 的绑定。").first().waitFor();
  const other = await someone();
  await until("the hub finds the provider back", async () => { // which it leaves alone for some seconds
    await other.visit(hub, "/login");
    await press(button, other);
    const there = other.page.waitForURL((u) => u.origin === company.issuer).then(() => true, () => false);
    return Promise.race([there, other.page.getByRole("alert").waitFor().then(() => false, () => false)]);
  });
  await at(boss, "进入", other);
  await said("没有绑定账号", other);
  other.problems.splice(0, Infinity, ...other.problems.filter((s) => !s.includes("status of 503")));
  await other.leave();
});

step("nothing was wrong meanwhile", async () => { await p.leave(); });
