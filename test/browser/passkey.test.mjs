// Passkeys, with Chromium's virtual authenticator: enrolled, used to sign in and for an important act, renamed, removed; and what is said where they do not work.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, join, name, password, signIn } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const own = "三更灯火五更鸡-正是男儿读书时";
let rig, hub, node, browser, p, cdp, key, codes;
const pathOf = (who = p) => new URL(who.page.url()).pathname;
const said = (sentence, who = p) => who.page.getByRole("alert").filter({ hasText: sentence }).waitFor();
const press = (label, who = p) => who.page.getByRole("button", { name: label, exact: true }).click();
const both = async (who, picture) => {
  for (const size of ["phone", "desktop"]) { await who.page.setViewportSize(sizes[size]); await shot(who.page, `${picture}-zh-${size}`); }
};

/** device gives a person's browser an authenticator of the device itself. */
async function device(who, options = {}) {
  const session = await who.context.newCDPSession(who.page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options: {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true, ...options } });
  return { session, authenticatorId };
}

before(async () => {
  rig = await start({ ...catalogue, keyRoles: ["auditor"], nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", closed: true }] }] });
  hub = rig.hub.address;
  node = rig.nodes[0].address;
  browser = await launch();
  p = await browser.person();
  await begin(p, rig.hub);
  ({ session: cdp, authenticatorId: key } = await device(p));
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

step("a passkey is added", async () => {
  await p.visit(hub, "/account");
  await p.page.getByRole("link", { name: "添加通行密钥" }).click();
  await p.page.getByRole("heading", { name: "添加通行密钥" }).waitFor();
  await inspect(p, "passkey-new");
  // A device that does not know its person is of no use.
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId: key, isUserVerified: false });
  await press("添加这个通行密钥");
  await said("没有添加");
  await both(p, "passkey-cancelled");
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId: key, isUserVerified: true });
  await p.page.fill("#name", "");
  await press("添加这个通行密钥");
  assert.equal(pathOf(), "/account/passkey/new"); // the browser asks for a name
  await p.page.fill("#name", "工作手机");
  await press("添加这个通行密钥");
  await p.page.getByRole("heading", { name: "备用码" }).waitFor();
  codes = await p.page.locator(".codes li").allInnerTexts();
  assert.equal(codes.length, 10);
  await p.page.getByRole("link", { name: "我已保存好" }).click();
  await p.page.getByText("添加了通行密钥“工作手机”。").first().waitFor();
  await inspect(p, "account-passkey", ["工作手机"]);
  await press("知道了");
  const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId: key });
  assert.equal(credentials.length, 1);
  assert.equal(credentials[0].rpId, "localhost");
});

step("the same device is told that it has one already", async () => {
  await p.visit(hub, "/account/passkey/new");
  await press("添加这个通行密钥");
  await said("已经添加过了");
});

step("signing in takes the password, then the passkey", async () => {
  await p.visit(hub, "/account");
  await press("退出");
  await p.visit(hub, "/people");
  await signIn(p);
  await p.page.getByRole("heading", { name: "用通行密钥确认" }).waitFor();
  await inspect(p, "code-passkey");
  await press("使用通行密钥");
  await p.page.waitForURL(hub + "/people");
});

step("an important act asks for it again, and keeps what was typed", async () => {
  await p.visit(hub, "/people/new");
  await rig.stale();
  await p.page.fill("#name", "zhao");
  await p.page.fill("#display", "赵班长");
  await press("建立并生成激活码");
  await p.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await inspect(p, "confirm-passkey", ["赵班长"]);
  await press("使用通行密钥");
  await p.page.getByRole("heading", { name: "激活码" }).waitFor();
  await p.visit(hub, "/people");
  await p.page.getByText("赵班长").waitFor();
});

step("a page that was opened asks for it too", async () => {
  await rig.stale();
  await p.visit(hub, "/account/password");
  await press("使用通行密钥");
  await p.page.getByRole("heading", { name: "修改密码" }).waitFor();
});

step("every way it can fail is said in words", async () => {
  const other = await browser.person();
  const { session, authenticatorId } = await device(other);
  await other.visit(hub);
  await signIn(other);
  await press("使用通行密钥", other); // a device that holds none of theirs
  await said("没有完成", other);
  await session.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
  const fail = async (script, sentence) => {
    await other.page.reload();
    await other.page.evaluate(script);
    await press("使用通行密钥", other);
    await said(sentence, other);
  };
  await fail(() => { navigator.credentials.get = () => Promise.reject(new DOMException("", "SecurityError")); }, "浏览器拒绝");
  await fail(() => { navigator.credentials.get = () => Promise.reject(new DOMException("", "NotSupportedError")); }, "不能核实是您本人");
  await fail(() => { navigator.credentials.get = () => Promise.reject(new TypeError("x")); }, "设备出错");
  await fail(() => { window.PublicKeyCredential = undefined; }, "不支持通行密钥");
  await fail(() => { // the time that the browser gives is over
    const now = performance.now.bind(performance);
    navigator.credentials.get = ({ publicKey }) => { performance.now = () => now() + publicKey.timeout; return Promise.reject(new DOMException("", "NotAllowedError")); };
  }, "等太久了");
  await other.page.reload();
  await other.context.setOffline(true);
  await press("使用通行密钥", other);
  await said("连不上服务器", other);
  await other.context.setOffline(false);
  await other.page.fill("#code", codes[0]); // a recovery code does as well
  await press("确认", other);
  await other.page.waitForURL(hub + "/");
  other.problems.splice(0, Infinity, ...other.problems.filter((s) => !s.includes("ERR_INTERNET_DISCONNECTED")));
  await other.leave();
});

step("under a bare address a code is asked for, and it is said why", async () => {
  const away = await browser.person();
  const address = hub.replace("localhost", "127.0.0.1");
  await away.visit(address);
  await signIn(away);
  await away.page.getByText("通行密钥只能在 localhost 下的网址使用").waitFor();
  assert.equal(await away.page.getByRole("button", { name: "使用通行密钥" }).count(), 0);
  await inspect(away, "code-elsewhere");
  await away.page.fill("#code", codes[1]);
  await press("确认", away);
  await away.page.waitForURL(address + "/");
  await away.leave();
});

step("a node that hears nothing any more knows it too; where it does not work there it is said what to do", async () => {
  await p.visit(hub, "/people/new");
  await p.page.fill("#name", "lead");
  await p.page.fill("#warehouses", "SHA");
  await p.page.locator('input[name="role"][value="warehouse-lead"]').check();
  await press("建立并生成激活码");
  if (await p.page.getByRole("button", { name: "使用通行密钥" }).count()) await press("使用通行密钥"); // no longer fresh
  const code = await p.page.locator(".activation").innerText();
  const lead = await browser.person();
  await device(lead);
  await lead.visit(hub, "/activate");
  await lead.page.fill("#code", code);
  await lead.page.fill("#password", own);
  await press("保存并登录", lead);
  await lead.visit(hub, "/account/passkey/new");
  await press("添加这个通行密钥", lead);
  await lead.page.getByRole("heading", { name: "备用码" }).waitFor();
  await lead.page.getByRole("link", { name: "我已保存好" }).click();
  await press("知道了", lead);
  await rig.call({ do: "heard", node: "sh-1", args: ["lead"] });
  await rig.line(false);
  await lead.visit(node, "/login");
  await signIn(lead, own, "lead");
  await lead.page.getByRole("heading", { name: "用通行密钥确认" }).waitFor();
  assert.equal(await lead.page.locator("#code").count(), 0); // recovery codes stay at headquarters
  await inspect(lead, "node-passkey");
  await press("使用通行密钥", lead);
  await lead.page.waitForURL((url) => url.origin === node && !url.pathname.startsWith("/login"));
  await lead.visit(node, "/account");
  await lead.page.locator("#factors").getByText("通行密钥").first().waitFor();
  assert.equal(await lead.page.getByRole("link", { name: "添加通行密钥" }).count(), 0);
  await inspect(lead, "node-account-passkey");

  const away = await browser.person();
  const address = node.replace("localhost", "127.0.0.1");
  await away.visit(address, "/login");
  await signIn(away, own, "lead");
  await said("请改用那样的网址打开", away);
  await said("在总部页面的“我的账号”里添加验证器", away);
  assert.equal(await away.page.locator("#code").count(), 0);
  await inspect(away, "node-code-lost");
  await both(away, "node-code-lost");
  await away.leave();
  await rig.line(true);
  await lead.leave();
});

step("renamed and removed", async () => {
  await p.visit(hub, "/account");
  await p.page.locator(".rename summary").click();
  await p.page.getByLabel("名称").fill("旧手机");
  await p.page.locator(".rename button").click();
  await p.page.locator("#factors").getByText("旧手机").waitFor();
  await p.page.locator('form[action="/account/factor/remove"] button').click();
  await p.page.getByText("移除了通行密钥“旧手机”。").first().waitFor();
  await press("退出");
  await signIn(p, password, name);
  await p.page.waitForURL(hub + "/"); // the password alone again
});

step("a role that takes passkeys alone: one is added before anything else, and no code is asked for", async () => {
  const auditor = await join(browser, p, hub, "郑审计", "auditor");
  assert.equal(pathOf(auditor), "/account/passkey/new");
  await device(auditor);
  await auditor.visit(hub, "/audit");
  await auditor.page.getByText("您的角色要求用通行密钥登录。请先添加一个").waitFor();
  await glance(auditor, "passkey-must", ["郑审计"]);
  await press("添加这个通行密钥", auditor);
  await auditor.page.getByText("添加了通行密钥").first().waitFor();
  await auditor.visit(hub, "/audit");
  assert.equal(pathOf(auditor), "/audit");
  await press("退出", auditor);
  await auditor.visit(hub, "/audit");
  await signIn(auditor, password + "郑审计", "郑审计");
  await auditor.page.getByRole("heading", { name: "用通行密钥确认" }).waitFor();
  assert.equal(await auditor.page.locator("#code").count(), 0);
  await glance(auditor, "code-passkey-only");
  await press("使用通行密钥", auditor);
  await auditor.page.waitForURL(hub + "/audit");
  await auditor.leave();

  const away = await browser.person();
  await away.visit(hub.replace("localhost", "127.0.0.1"));
  await signIn(away, password + "郑审计", "郑审计");
  await away.page.getByText("通行密钥只能在 localhost 下的网址使用").waitFor();
  assert.equal(await away.page.locator("#code").count(), 0);
  await glance(away, "code-passkey-only-elsewhere");
  await away.leave();
});

step("everybody's sessions are ended at once", async () => {
  const other = await join(browser, p, hub, "孙会计", "finance");
  await p.visit(hub, "/people");
  await press("知道了");
  await p.visit(hub, "/people");
  await p.page.locator("summary", { hasText: "结束所有人的登录" }).click();
  await both(p, "people-end-all");
  await p.page.fill("#end-reason", "有一台电脑被偷");
  await rig.stale();
  await press("结束所有人的登录");
  await p.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await p.page.fill("#confirm", password);
  await press("确认并继续");
  await p.page.waitForURL(hub + "/people");
  await glance(p, "people-ended", ["赵班长", "郑审计", "孙会计", "zhao"]);
  await other.visit(hub, "/");
  assert.equal(pathOf(other), "/login");
  await other.leave();
});

step("nothing was wrong meanwhile", async () => { await p.leave(); });
