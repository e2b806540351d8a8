// Label templates: a manager changes one while looking at it, is told in words what would not print, saves it,
// and the warehouse has it. The picture is compared dot by dot, frames are dragged with mouse and finger.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps, until } from "./browser.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, name as account, password, signIn } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const folder = mkdtempSync(join(tmpdir(), "stockade-labels-"));
let rig, browser, p, hub;

before(async () => {
  rig = await start({ items: "sku,name,name_en,unit,code\n", locations: "warehouse,bin,use\nSHA,A-01,storage\n", nodes: [{ id: "sh-1", warehouse: "SHA", stations: [] }] });
  hub = rig.hub;
  browser = await launch();
  p = await browser.person();
});

after(async () => {
  await browser?.close();
  await rig?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const atNode = async (id) => {
  const { output } = await rig.call({ do: "template", node: "sh-1", args: [id] });
  return output ? JSON.parse(output) : null;
};
/** drawn waits until the picture shows what the forms say, and returns its dots. */
async function drawn(page = p.page) {
  await page.waitForFunction(() => {
    const sheet = document.getElementById("sheet");
    return sheet?.dataset.drawn && !sheet.classList.contains("stale");
  });
  return dots(page);
}
const dots = (page = p.page) => page.evaluate(() => document.getElementById("picture").toDataURL());
/** changes does something and waits until the picture is another one. */
async function changes(what, act, page = p.page) {
  const was = await dots(page);
  await act();
  await page.waitForFunction((d) => document.getElementById("picture").toDataURL() !== d && !document.getElementById("sheet").classList.contains("stale"), was).catch((e) => assert.fail(`the picture stays as it is: ${what}: ${e.message}`));
}
const element = (n, page = p.page) => page.locator("#elements > li").nth(n - 1);
const open = async (n, page = p.page) => {
  const b = element(n, page).locator(".element-open");
  if ((await b.getAttribute("aria-expanded")) === "false") await b.click();
};
const field = (label, page = p.page) => page.locator("#elements").getByLabel(label, { exact: true });
const frame = (n, page = p.page) => page.locator(".part").nth(n - 1);
const problem = (page = p.page) => page.locator("#problem");
const save = () => p.page.getByRole("button", { name: "保存", exact: true });

step("the list shows every template and its picture", async () => {
  await begin(p, hub);
  await p.visit(hub.address, "/labels");
  assert.equal(await p.page.locator("#templates tbody tr").count(), 6);
  for (const img of await p.page.locator("#templates img").all()) {
    await img.scrollIntoViewIfNeeded();
    await until("a picture", () => img.evaluate((e) => e.complete && e.naturalWidth > 300));
  }
  await inspect(p, "labels");
});

step("what is typed is in the picture at once", async () => {
  await p.visit(hub.address, "/labels");
  await p.page.locator("tr", { hasText: "批次标签" }).getByRole("link", { name: "打开" }).click();
  await drawn();
  await inspect(p, "label");
  await drawn();
  assert.ok(await save().isDisabled(), "there is nothing to save");
  assert.deepEqual(await p.page.evaluate(() => [document.getElementById("picture").width, document.getElementById("picture").height]), [480, 320]);
  await open(1);
  await changes("words", () => field("内容").fill("仓盾 {name!}"));
  await p.page.getByText("有修改未保存").waitFor();
  await changes("size of text", () => field("字高（毫米）").fill("4"));
  await changes("a field by its button", async () => {
    await field("内容").press("End");
    await p.page.locator(".inserts").getByRole("button", { name: "单位" }).click();
  });
  assert.equal(await field("内容").inputValue(), "仓盾 {name!}{unit}");
  await changes("another printer", () => p.page.getByLabel("分辨率（dpi）").selectOption("300"));
  assert.equal(await p.page.evaluate(() => document.getElementById("picture").width), 720);
  await changes("the first printer", () => p.page.getByLabel("分辨率（dpi）").selectOption("203"));
  await changes("undone", () => p.page.getByRole("button", { name: "撤销" }).click());
});

step("what would not be printed is said beside the element, and is not saved", async () => {
  await open(3);
  await field("宽（毫米）").fill("12");
  await field("高（毫米）").fill("4");
  await element(3).locator(".element-problem").getByText(/条码放不下：需要 \d+ 毫米，现在只有 4 毫米/).waitFor();
  assert.match(await problem().innerText(), /^元素 3：/);
  assert.ok(await frame(3).evaluate((e) => e.classList.contains("bad")));
  assert.ok(await save().isDisabled());
  await p.page.getByText("请先解决标出的问题，再保存").waitFor();
  await shot(p.page, "label-problem");
  await field("宽（毫米）").fill("500");
  await element(3).locator(".element-problem").getByText("超出了标签").waitFor();
  await field("宽（毫米）").fill("56");
  await field("高（毫米）").fill("18");
  await problem().waitFor({ state: "hidden" });
  await drawn();
  await open(1);
  await field("内容").fill("{recipient}");
  await element(1).locator(".element-problem").getByText("没有“recipient”这一项").waitFor();
  await field("内容").fill("<script>alert(1)</script> {name!}");
  await drawn();
  await p.page.locator("#head").getByLabel("名称", { exact: true }).fill("");
  await problem().getByText("请填写名称").waitFor();
  assert.equal(await p.page.locator("li.bad").count(), 0);
  await p.page.locator("#head").getByLabel("名称", { exact: true }).fill("批次标签");
  await drawn();
});

step("other values: a long name, no lot", async () => {
  await p.page.getByText("试填内容").click();
  await changes("long values", () => p.page.getByRole("button", { name: "全部填长" }).click());
  await changes("no lot", () => p.page.locator("#values").getByLabel("批号").fill(""));
  await p.page.locator("#values").getByLabel("批号").fill("七号");
  await problem().getByText("“七号”不能放进条码的 (10)").waitFor();
  await p.page.locator("#values").getByLabel("商品条码 GTIN").fill("06901234567891");
  await problem().getByText("(01)").waitFor();
  await p.page.getByRole("button", { name: "恢复样例" }).click();
  await drawn();
  await changes("only what is needed", () => p.page.getByRole("button", { name: "只填必填项" }).click());
  await p.page.getByRole("button", { name: "恢复样例" }).click();
  await drawn();
});

step("elements are dragged, resized and nudged", async () => {
  await open(2);
  await field("内容").fill("{sku!}");
  await drawn();
  const at = async () => [Number(await field("左（毫米）").inputValue()), Number(await field("上（毫米）").inputValue()), Number(await field("宽（毫米）").inputValue())];
  await open(2);
  await field("宽（毫米）").fill("20");
  await drawn();
  const [x, y] = await at();
  const box = await frame(2).boundingBox(), sheet = await p.page.locator("#sheet").boundingBox(), pixel = 60 / sheet.width;
  await changes("dragged", async () => {
    await p.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await p.page.mouse.down();
    await p.page.mouse.move(box.x + box.width / 2 + 30, box.y + box.height / 2 + 5);
    await p.page.mouse.move(box.x + box.width / 2 + 10 / pixel, box.y + box.height / 2 + 2 / pixel);
    await p.page.mouse.up();
  });
  assert.deepEqual((await at()).slice(0, 2), [x + 10, y + 2]);
  const grip = await frame(2).locator(".grip").boundingBox();
  await changes("resized", async () => {
    await p.page.mouse.move(grip.x + 12, grip.y + 12);
    await p.page.mouse.down();
    await p.page.mouse.move(grip.x + 12 - 10 / pixel, grip.y + 12 + 2 / pixel, { steps: 3 });
    await p.page.mouse.up();
  });
  assert.equal((await at())[2], 10);
  assert.equal(await field("字高（毫米）").inputValue(), "5");
  await changes("nudged", () => p.page.keyboard.press("ArrowRight"));
  assert.deepEqual(await at(), [x + 10.5, y + 2, 10]);
  await p.page.keyboard.press("Shift+ArrowRight");
  assert.equal((await at())[2], 10.5);
  // It never leaves the label.
  const now = await frame(2).boundingBox();
  await p.page.mouse.move(now.x + now.width / 2, now.y + now.height / 2);
  await p.page.mouse.down();
  await p.page.mouse.move(sheet.x + 5000, sheet.y - 5000, { steps: 3 });
  await p.page.mouse.up();
  assert.deepEqual((await at()).slice(0, 2), [49.5, 0]);
  await drawn();
  const seen = [];
  while (seen.length < 4 && seen.at(-1) !== [x + 10, y + 2, 20].join()) {
    await p.page.getByRole("button", { name: "撤销" }).click();
    seen.push((await at()).join());
  }
  assert.ok(seen.length >= 3 && seen.length <= 4, `undone: ${seen.join(" | ")}`); // keys pressed in one go are one step
  // A frame that is clicked is the one whose form is open.
  await frame(1).click({ position: { x: 3, y: 3 } });
  assert.equal(await element(1).locator(".element-open").getAttribute("aria-expanded"), "true");
});

step("elements are added, copied, moved and deleted", async () => {
  const kinds = () => p.page.locator("#elements .element-open b").allInnerTexts();
  const before = await kinds();
  await p.page.locator(".editor-add").getByRole("button", { name: "方框" }).click();
  assert.deepEqual(await kinds(), [...before, `${before.length + 1} · 方框`]);
  await field("宽（毫米）").fill("20");
  await p.page.getByRole("button", { name: "上移" }).click();
  assert.deepEqual((await kinds())[before.length - 1], `${before.length} · 方框`);
  await drawn();
  await changes("moved", () => field("左（毫米）").fill("30"));
  await p.page.getByRole("button", { name: "复制一个" }).click();
  assert.equal((await kinds()).filter((k) => k.includes("方框")).length, 2);
  await p.page.getByRole("button", { name: "删除" }).click();
  await open(before.length);
  await p.page.getByRole("button", { name: "删除" }).click();
  assert.deepEqual(await kinds(), before);
  await p.page.getByRole("button", { name: "撤销" }).click();
  assert.equal((await kinds()).filter((k) => k.includes("方框")).length, 1);
  await drawn();
});

step("nobody leaves without being asked", async () => {
  let asked = 0;
  const answer = (d) => { asked++; d.dismiss(); };
  p.page.on("dialog", answer);
  await p.page.getByRole("link", { name: "系统" }).click({ noWaitAfter: true });
  await until("the question", () => asked === 1);
  p.page.off("dialog", answer);
  await p.page.getByText("有修改未保存").waitFor();
});

step("saved, it is at the warehouse and in the history", async () => {
  assert.equal((await atNode("lot")).elements[0].content, "{name!}");
  await save().click();
  await p.page.getByText("已保存为第 1 版").waitFor();
  await drawn();
  await open(1);
  assert.equal(await field("内容").inputValue(), "<script>alert(1)</script> {name!}");
  await until("the template at the warehouse", async () => (await atNode("lot")).elements[0].content === "<script>alert(1)</script> {name!}");
  await changes("a second version", () => field("内容").fill("第二版 {name!}"));
  await p.page.keyboard.press("Control+s");
  await p.page.getByText("已保存为第 2 版").waitFor();
  await drawn();
  const rows = p.page.locator("#history li");
  assert.equal(await rows.count(), 2);
  assert.match(await rows.first().innerText(), new RegExp(`第 2 版 保存 \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d · ${account} 最新`));
  await inspect(p, "label-history", [account, "第二版"]);
  await until("the second version at the warehouse", async () => (await atNode("lot")).elements[0].content === "第二版 {name!}");
});

step("an older version is looked at and made the newest again", async () => {
  await p.page.locator("#history li", { hasText: "第 1 版" }).getByRole("link", { name: "查看" }).click();
  await p.page.getByText("您正在看第 1 版").waitFor();
  await drawn();
  await open(1);
  assert.equal(await field("内容").inputValue(), "<script>alert(1)</script> {name!}");
  await glance(p, "label-older", [account]);
  await drawn();
  await save().click();
  await p.page.getByText("已保存为第 3 版").waitFor();
  await until("the old version at the warehouse", async () => (await atNode("lot")).elements[0].content === "<script>alert(1)</script> {name!}");
});

step("two people at once: the second is told", async () => {
  const other = await browser.person();
  await other.visit(hub.address, "/login");
  await signIn(other, password);
  await other.page.getByRole("navigation").waitFor();
  await other.visit(hub.address, "/labels/lot");
  await drawn(other.page);
  await open(1);
  await changes("mine", () => field("内容").fill("我的 {name!}"));
  await save().click();
  await p.page.getByText("已保存为第 4 版").waitFor();
  await open(1, other.page);
  await changes("theirs", () => field("内容", other.page).fill("他的 {name!}"), other.page);
  await other.page.getByRole("button", { name: "保存", exact: true }).click();
  await other.page.locator("#status").getByText("别人刚刚保存过这个模板").waitFor();
  other.page.on("dialog", (d) => d.accept());
  await other.leave();
});

step("who was signed out goes on where he was", async () => {
  await p.visit(hub.address, "/labels/lot");
  await drawn();
  await open(1);
  const tab = await p.context.newPage();
  await tab.goto(hub.address + "/labels");
  await tab.getByRole("button", { name: "退出" }).click();
  await tab.locator("#username").waitFor();
  await field("内容").fill("还在写 {name!}");
  await problem().getByText("登录已过期").waitFor();
  await signIn({ page: tab }, password);
  await tab.getByRole("navigation").waitFor();
  await tab.close();
  await field("内容").fill("写完了 {name!}");
  await drawn();
  await problem().waitFor({ state: "hidden" });
  await save().click();
  await p.page.getByText("已保存为第 5 版").waitFor();
});

step("a file is exported, changed and imported; what is no template is refused", async () => {
  await p.visit(hub.address, "/labels/lot");
  await drawn();
  const [download] = await Promise.all([p.page.waitForEvent("download"), p.page.getByRole("button", { name: "导出文件" }).click()]);
  const file = join(folder, "lot.json");
  await download.saveAs(file);
  const t = JSON.parse(readFileSync(file, "utf8"));
  assert.equal(t.id, "lot");
  for (const [content, words] of [["no JSON", "不是标签模板"], ["[1]", "不是标签模板"], ["null", "不是标签模板"], [JSON.stringify({ ...t, width: "wide" }), "不是标签模板"], [JSON.stringify({ ...t, elements: [7] }), "不是标签模板"],
    [JSON.stringify({ ...t, kind: "spaceship" }), "spaceship"], [JSON.stringify({ ...t, name: "x".repeat(30000) }), "模板太大"]]) {
    writeFileSync(file, content);
    await p.page.getByLabel("导入文件").setInputFiles(file);
    await problem().getByText(words).waitFor();
    assert.equal(await p.page.locator("#elements > li").count(), t.elements.length);
  }
  writeFileSync(file, JSON.stringify({ ...t, width: 80, id: "other" }));
  await changes("imported", () => p.page.getByLabel("导入文件").setInputFiles(file));
  assert.equal(await p.page.getByLabel("标签宽（毫米）").inputValue(), "80");
  await save().click();
  await p.page.getByText("已保存为第 6 版").waitFor();
});

step("the standard template comes back", async () => {
  await p.page.getByRole("button", { name: "恢复标准模板" }).click();
  await p.page.waitForURL((url) => url.pathname === "/labels");
  await p.page.locator("tr", { hasText: "批次标签" }).getByText("标准", { exact: true }).waitFor();
  await until("the standard one at the warehouse", async () => (await atNode("lot")).elements[0].content === "{name!}");
});

step("a template of one's own, on a telephone, with a finger", async () => {
  const phone = await browser.person({ viewport: sizes.phone, hasTouch: true, isMobile: true });
  await phone.visit(hub.address, "/login");
  await signIn(phone, password);
  await phone.page.getByRole("navigation").waitFor();
  await phone.visit(hub.address, "/labels/-/new?kind=bin");
  await drawn(phone.page);
  await phone.page.getByLabel("编号").fill("Regal 1");
  await problem(phone.page).getByText("编号“Regal 1”不能用").waitFor();
  await phone.page.getByLabel("编号").fill("lot");
  await phone.page.locator("#head").getByLabel("名称", { exact: true }).fill("货架大标签");
  await drawn(phone.page);
  await phone.page.getByRole("button", { name: "保存", exact: true }).click();
  await phone.page.locator("#status").getByText("已经有编号为“lot”的模板").waitFor();
  await phone.page.getByLabel("编号").fill("regal-1");
  await phone.page.locator("#head").getByLabel("英文名称").fill("Shelf label");
  await drawn(phone.page);
  // The picture stays in sight while the forms are scrolled.
  await phone.page.locator(".editor-add").scrollIntoViewIfNeeded();
  const sheet = await phone.page.locator("#sheet").boundingBox();
  assert.ok(sheet.y >= 0 && sheet.y + sheet.height < sizes.phone.height / 2, `the picture is at ${JSON.stringify(sheet)}`);
  await phone.page.locator(".part").nth(2).tap();
  assert.equal(await element(3, phone.page).locator(".element-open").getAttribute("aria-expanded"), "true");
  const y = Number(await field("上（毫米）", phone.page).inputValue());
  await changes("dragged with a finger", () => finger(phone, frame(3, phone.page), 0, -30), phone.page);
  assert.ok(Number(await field("上（毫米）", phone.page).inputValue()) < y - 2);
  await shot(phone.page, "label-phone-editing");
  await phone.page.getByRole("button", { name: "保存", exact: true }).click();
  await phone.page.getByText("已保存为第 1 版").waitFor();
  await until("the new template at the warehouse", async () => (await atNode("regal-1"))?.name === "货架大标签");
  await phone.page.getByRole("button", { name: "撤回模板" }).click();
  await phone.page.waitForURL((url) => url.pathname === "/labels");
  await until("no such template at the warehouse", async () => (await atNode("regal-1")) === null);
  await phone.page.getByText("已撤回的模板").click();
  await phone.page.locator("tr", { hasText: "货架大标签" }).getByRole("link", { name: "打开" }).click();
  await phone.page.getByText("这个模板已撤回").waitFor();
  await drawn(phone.page);
  await phone.leave();
});

/** finger drags with one finger, as the browser's own protocol has it. */
async function finger(person, locator, dx, dy) {
  const box = await locator.boundingBox(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  const cdp = await person.context.newCDPSession(person.page);
  const touch = (type, points) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  await touch("touchStart", [{ x, y }]);
  for (const part of [0.3, 0.6, 1]) await touch("touchMove", [{ x: x + dx * part, y: y + dy * part }]);
  await touch("touchEnd", []);
  await cdp.detach();
}

step("the list knows who wrote what", async () => {
  await p.visit(hub.address, "/labels");
  await glance(p, "labels-written", [account, "货架大标签"]);
});

step("nothing was wrong meanwhile", () => p.leave());
