// The way in: the one-time code of the first start, a password of one's own, out and in again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { start } from "./rig.mjs";

const name = "王主管", password = "春风又绿江南岸-明月何时照我还";
let rig, browser;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", closed: true }] }] });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

for (const where of ["hub", "edge"]) {
  test(`first sign-in at the ${where}`, async () => {
    const { address, code } = where === "hub" ? rig.hub : rig.nodes[0];
    const p = await browser.person();
    await p.visit(address);
    assert.equal(new URL(p.page.url()).pathname, "/first");
    await shot(p.page, `${where}-first`);

    const begin = async (c, n, w) => {
      await p.page.fill("#code", c);
      await p.page.fill("#username", n);
      await p.page.fill("#password", w);
      await p.page.click("form.gate-card button.btn-primary");
    };
    const refused = async (sentence) => {
      await p.page.locator("[role=alert]", { hasText: sentence }).waitFor();
      assert.equal(new URL(p.page.url()).pathname, "/first");
      assert.equal(await p.page.inputValue("#username"), name);
    };
    await begin("AAAA-BBBB-CCCC-DDDD-EEEE-FFFF", name, password);
    await refused("登录码不对");
    await begin(code, name, "stockade2026");
    await refused("太容易被猜到");
    await begin(code.toLowerCase().replaceAll("-", " "), name, password); // as people type it
    await p.page.getByRole("navigation", { name: "主菜单" }).waitFor();
    await p.leave();
  });
}
