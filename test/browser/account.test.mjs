// An account from its making to its end: authenticator, recovery codes, step-up, sessions, and the administrator who never learns a password.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { authenticator, begin, name, password, signIn } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const worker = "李师傅", workersPassword = "三更灯火五更鸡-正是男儿读书时", another = "山重水复疑无路-柳暗花明又一村";
let rig, hub, browser, p, n, phone, app, codes, activation;
const pathOf = (who = p) => new URL(who.page.url()).pathname;
const said = (sentence, who = p) => who.page.getByRole("alert").filter({ hasText: sentence }).waitFor();
const press = (label, who = p) => who.page.getByRole("button", { name: label, exact: true }).click();
const enter = async (field, value, label, who = p) => { await who.page.fill(field, value); await press(label, who); };
const both = async (who, picture) => {
  for (const size of ["phone", "desktop"]) { await who.page.setViewportSize(sizes[size]); await shot(who.page, `${picture}-zh-${size}`); }
};

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", closed: true }] }] });
  hub = rig.hub.address;
  browser = await launch();
  p = await browser.person();
  phone = await browser.person({ userAgent: "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/139.0 Mobile Safari/537.36" });
  n = await browser.person();
  await begin(n, rig.nodes[0]); // while the hub knows nobody of this warehouse
  await begin(p, rig.hub);
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

step("the account page", async () => {
  await p.page.getByRole("link", { name }).click();
  await p.page.getByRole("heading", { name: "我的账号" }).waitFor();
  await p.page.getByText("安全管理员").waitFor();
  await inspect(p, "account");
});

step("an authenticator is added", async () => {
  await p.page.getByRole("link", { name: "添加手机验证器" }).click();
  await glance(p, "factor-begin");
  await press("开始设置");
  await p.page.getByRole("img", { name: "验证器二维码" }).waitFor();
  await inspect(p, "factor");
  app = authenticator(await p.page.locator(".secret").innerText());
  await enter("#code", app.wrong(), "启用");
  await said("验证码不对");
  await enter("#code", await app.next(), "启用");
  await p.page.getByRole("heading", { name: "备用码" }).waitFor();
  codes = await p.page.locator(".codes li").allInnerTexts();
  assert.equal(codes.length, 10);
  await both(p, "codes");
  await p.page.getByRole("link", { name: "我已保存好" }).click();
  await p.page.getByText("备用码还剩 10 个").waitFor();
  await p.page.getByText("添加了手机验证器。").first().waitFor(); // told at the next page
  await inspect(p, "account-factor");
  await press("知道了");
  await p.page.locator(".notices").waitFor({ state: "detached" });
});

step("signing in takes the code, and each code once", async () => {
  await press("退出");
  await signIn(p);
  await p.page.getByRole("heading", { name: "输入验证码" }).waitFor();
  await inspect(p, "code");
  await p.visit(hub, "/people"); // the password alone opens nothing
  assert.equal(pathOf(), "/login");
  await p.visit(hub, "/login/code?next=/people");
  await enter("#code", app.wrong(), "确认");
  await said("验证码不对");
  const code = await app.next();
  await enter("#code", code, "确认");
  await p.page.waitForURL(hub + "/people");
  await phone.visit(hub);
  await signIn(phone);
  await enter("#code", code, "确认", phone);
  await said("或已经用过", phone);
  await enter("#code", codes[0].toLowerCase(), "确认", phone); // a recovery code, as people type it
  await phone.page.getByText("用了一个备用码，还剩 9 个。").waitFor();
  await phone.page.getByText(/从新设备登录：Chrome · Android/).waitFor();
});

step("an administrator makes an account and never learns its password", async () => {
  await p.visit(hub, "/people");
  await p.page.getByRole("link", { name: "新增人员" }).click();
  await inspect(p, "person-new");
  await p.page.fill("#name", worker);
  await p.page.fill("#display", "李卫国");
  await p.page.getByLabel("仓库员工").check();
  await p.page.fill("#warehouses", "SHA");
  await press("建立并生成激活码");
  activation = await p.page.locator(".activation").innerText();
  assert.match(activation, /^([2-9A-Z]{4}-){5}[2-9A-Z]{4}$/);
  await both(p, "activation");

  const w = await browser.person();
  await w.visit(hub);
  await w.page.getByRole("link", { name: "有激活码？设置密码" }).click();
  await inspect(w, "activate");
  await w.page.fill("#password", workersPassword);
  await enter("#code", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF", "保存并登录", w);
  await said("激活码不对、已用过或已过期", w);
  await w.page.fill("#password", worker.repeat(4));
  await enter("#code", activation, "保存并登录", w);
  await said("太容易被猜到", w);
  await w.page.fill("#password", workersPassword);
  await enter("#code", activation, "保存并登录", w);
  await w.page.waitForURL(hub + "/");
  const again = await browser.person();
  await again.visit(hub, "/activate");
  await again.page.fill("#password", another);
  await enter("#code", activation, "保存并登录", again);
  await said("激活码不对、已用过或已过期", again);
  await again.leave();

  await p.visit(hub, "/people");
  await inspect(p, "people", [worker, "李卫国"]);
  await p.page.getByRole("link", { name: worker }).click();
  await inspect(p, "person", [worker, "李卫国"]);
  assert.equal(await w.page.getByRole("link", { name: "人员" }).count(), 0); // no administrator
  for (const path of ["/people", "/people/new", "/people/person/" + encodeURIComponent(name)]) assert.equal((await w.visit(hub, path)).status(), 403, path);
  await w.visit(hub, "/account"); // still in
  assert.equal(pathOf(w), "/account");
  await w.leave();
});

step("an important act asks for the factor again, and keeps what was typed", async () => {
  await p.visit(hub, "/people");
  await p.page.getByRole("link", { name: worker }).click();
  await rig.stale();
  await p.page.fill("#display", "李卫国（夜班）");
  await press("保存");
  await p.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await both(p, "confirm");
  await enter("#confirm", app.wrong(), "确认并继续");
  await said("不正确");
  await enter("#confirm", await app.next(), "确认并继续");
  await p.page.waitForURL(/\/people\/person\//);
  assert.equal(await p.page.inputValue("#display"), "李卫国（夜班）");
});

step("a person's own password", async () => {
  const w = await browser.person();
  await w.visit(hub);
  await signIn(w, workersPassword, worker);
  await w.page.waitForURL(hub + "/");
  await rig.stale();
  await w.visit(hub, "/account/password");
  await w.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await inspect(w, "confirm-password", [worker]);
  await enter("#confirm", "something else entirely", "确认并继续", w);
  await said("不正确", w);
  await enter("#confirm", workersPassword, "确认并继续", w);
  await w.page.getByRole("heading", { name: "修改密码" }).waitFor();
  await inspect(w, "password", [worker]);

  const elsewhere = await browser.person();
  await elsewhere.visit(hub);
  await signIn(elsewhere, workersPassword, worker);
  await elsewhere.page.waitForURL(hub + "/");

  await w.page.fill("#old", "not this one at all");
  await enter("#new", another, "保存新密码", w);
  await said("现在的密码不对", w);
  await w.page.fill("#old", workersPassword);
  await enter("#new", another, "保存新密码", w);
  await w.page.getByText(/密码已修改/).first().waitFor();
  assert.equal(pathOf(w), "/account");
  await elsewhere.visit(hub, "/account"); // it ended there
  assert.equal(pathOf(elsewhere), "/login");
  await signIn(elsewhere, workersPassword, worker);
  await said("用户名或密码不正确", elsewhere);
  await signIn(elsewhere, another, worker);
  await elsewhere.page.waitForURL(hub + "/account");

  // Both are listed; one ends the other.
  await w.visit(hub, "/account");
  await glance(w, "sessions", [worker]);
  await press("退出其他所有设备", w);
  await elsewhere.visit(hub, "/account");
  assert.equal(pathOf(elsewhere), "/login");
  await elsewhere.leave();
  await w.leave();
});

step("disabled means out, and says no more than a wrong password does", async () => {
  const boss = phone; // signed in with a recovery code
  await boss.visit(hub, "/people");
  await boss.page.getByRole("link", { name: worker }).click();
  const w = await browser.person();
  await w.visit(hub);
  await signIn(w, another, worker);
  await w.page.waitForURL(hub + "/");
  await boss.page.reload();
  await boss.page.locator('form[action="/people/disable"] button').click();
  await boss.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor(); // its factor was made stale too
  await enter("#confirm", codes[2], "确认并继续", boss);
  await boss.page.getByText("已停用").waitFor();
  await w.visit(hub);
  assert.equal(pathOf(w), "/login");
  await signIn(w, another, worker);
  await said("用户名或密码不正确", w);
  await w.leave();
});

step("who commands the machine can let a person back in", async () => {
  const { output } = await rig.call({ do: "hub", args: ["account", "recover", worker] });
  const [code] = /([2-9A-Z]{4}-){5}[2-9A-Z]{4}/.exec(output);
  const w = await browser.person();
  await w.visit(hub, "/activate");
  await w.page.fill("#password", another); // was used before
  await enter("#code", code, "保存并登录", w);
  await said("最近用过", w);
  await w.page.fill("#password", "会当凌绝顶-一览众山小-明天再登");
  await enter("#code", code, "保存并登录", w);
  await w.page.getByText("账号在总部服务器上用命令恢复").waitFor();
  await w.leave();
});

step("wrong codes end in a wait", async () => {
  const thief = await browser.person();
  await thief.visit(hub);
  await signIn(thief);
  for (let i = 0; i < 4; i++) {
    await enter("#code", app.wrong(), "确认", thief);
    await said("验证码不对", thief);
  }
  await enter("#code", app.wrong(), "确认", thief);
  await said("登录没有完成", thief);
  await signIn(thief);
  await enter("#code", codes[1], "确认", thief); // a right one, while the brake holds
  await said(/失败次数太多，请等 \d+ 秒再试/, thief);
  await both(thief, "code-wait");
  await thief.leave();
  await p.page.reload();
  await p.page.getByText(/输对了您的密码，但验证码不对/).waitFor();
  await press("知道了");
});

step("the node shows one's own account, and no others", async () => {
  await n.visit(rig.nodes[0].address, "/account");
  await n.page.getByRole("heading", { name: "我的账号" }).waitFor();
  assert.equal((await n.visit(rig.nodes[0].address, "/people")).status(), 404);
  await n.leave();
});

step("nothing was wrong meanwhile", async () => { await phone.leave(); await p.leave(); });
