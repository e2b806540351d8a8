// The way in: the one-time code of the first start, a password of one's own, out and in again.
import assert from "node:assert/strict";
import { get } from "node:http";
import { after, before, test } from "node:test";
import { launch, steps } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { inspect } from "./look.mjs";
import { firstForm, name, password, signIn } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
let rig, browser, p;
const pathOf = () => new URL(p.page.url()).pathname;
const said = (sentence) => p.page.getByRole("alert").filter({ hasText: sentence }).waitFor();

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", closed: true }] }] });
  browser = await launch();
  p = await browser.person(); // one person at one machine, who goes to both programs
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

for (const where of ["hub", "edge"]) {
  step(`the first sign-in at the ${where}`, async () => {
    const { address, code } = where === "hub" ? rig.hub : rig.nodes[0];
    await p.visit(address);
    assert.equal(pathOf(), "/first");
    if (where === "hub") await inspect(p, "first"); // the same for both

    await firstForm(p, "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF", name, password);
    await said("登录码不对");
    assert.equal(await p.page.inputValue("#username"), name); // kept, passwords are not
    assert.equal(await p.page.inputValue("#password"), "");
    await firstForm(p, code, name, "stockade2026");
    await said("太容易被猜到");
    await firstForm(p, code, "a/b", password);
    await said("用户名只能用");
    await firstForm(p, code.toLowerCase().replaceAll("-", " "), name, password); // as people type it
    await p.page.getByRole("navigation", { name: "主菜单" }).waitFor();

    const other = await browser.person(); // the code has done its work
    await other.visit(address, "/first");
    assert.equal(new URL(other.page.url()).pathname, "/login");
    const again = await other.page.request.post(address + "/first", { form: { code, username: "x", password }, maxRedirects: 0 });
    assert.notEqual(again.status(), 200);
    await other.leave();
  });

  step(`out and in again at the ${where}`, async () => {
    const { address } = where === "hub" ? rig.hub : rig.nodes[0];
    await p.visit(address);
    await p.page.getByRole("button", { name: "退出" }).click();
    assert.equal(pathOf(), "/login");
    if (where === "edge") await inspect(p, "login");

    const inside = where === "hub" ? "/exceptions" : "/movements";
    await p.visit(address, inside); // who is out is asked, and then led on
    assert.equal(pathOf(), "/login");
    await signIn(p, "not the password at all");
    await said("用户名或密码不正确");
    await signIn(p);
    await p.page.waitForURL(address + inside);

    await p.visit(address, "/no/such/page");
    if (where === "hub") await inspect(p, "error");
    await p.page.getByText("没有这个页面").waitFor();
    await p.page.getByRole("link", { name: "回首页" }).click();
    assert.equal(pathOf(), "/");
  });
}

step("signed in at hub and node of one machine at once", async () => {
  for (const { address } of [rig.hub, rig.nodes[0], rig.hub]) {
    await p.visit(address);
    assert.equal(pathOf(), "/");
  }
  for (const cookie of await p.context.cookies()) {
    assert.match(cookie.name, /^__Host-(session-hub|session-sh-1|language)$/);
    assert.deepEqual([cookie.secure, cookie.httpOnly, cookie.sameSite, cookie.path], [true, true, "Strict", "/"], cookie.name);
  }
});

step("a chosen language stays", async () => {
  await p.visit(rig.hub.address, "/nodes");
  await p.page.getByRole("button", { name: "English" }).click();
  await p.page.getByRole("heading", { name: "Nodes" }).waitFor();
  assert.equal(pathOf(), "/nodes");
  await p.visit(rig.nodes[0].address);
  await p.page.getByRole("button", { name: "中文" }).click();
  await p.page.getByRole("heading", { name: "概览" }).waitFor();
});

step("nothing without TLS", async () => {
  for (const { address } of [rig.hub, rig.nodes[0]]) {
    const answer = await new Promise((resolve) => get(address.replace("https:", "http:"), resolve).on("error", resolve));
    assert.ok(answer instanceof Error || answer.statusCode === 400, `${address} answers without TLS: ${answer.statusCode}`);
  }
});

step("nothing was wrong meanwhile", () => p.leave());
