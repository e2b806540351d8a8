// Who may do what, as headquarters sets it: a change, its words, saving with a factor, its effect, the way back; and a review of roles.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, password } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const worker = "lishifu", manager = "zhaojingli", another = "三更灯火五更鸡-正是男儿读书时";
const own = ["李卫国", "赵经理", "夜班员工", "夜班打印标签"];
let rig, hub, browser, p;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", closed: true }] }] });
  hub = rig.hub.address;
  browser = await launch();
});
after(async () => { await browser?.close(); await rig?.stop(); });

const press = (text, who = p) => who.page.getByRole("button", { name: text, exact: true }).first().click();
const settled = (who = p) => who.page.waitForFunction(() => document.getElementById("status").dataset.state === "still");

/** confirm gives the password again where it is asked for. */
async function confirm(secret = password, who = p) {
  await who.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await who.page.fill("#confirm", secret);
  await press("确认并继续", who);
}

/** hire makes an account and returns its activation code. */
async function hire(account, display, roles, warehouses) {
  await p.visit(hub, "/people/new");
  await p.page.fill("#name", account);
  await p.page.fill("#display", display);
  for (const r of roles) await p.page.check(`input[name="role"][value="${r}"]`);
  await p.page.fill("#warehouses", warehouses);
  await press("建立并生成激活码");
  return (await p.page.locator(".activation").textContent()).trim();
}

/** enter signs somebody in with an activation code. */
async function enter(code) {
  const w = await browser.person();
  await w.visit(hub, "/activate");
  await w.page.fill("#code", code);
  await w.page.fill("#password", another);
  await press("保存并登录", w);
  await w.page.waitForURL(hub + "/");
  return w;
}

let bossesCode, boss;

step("people to give rights to", async () => {
  p = await browser.person();
  await begin(p, rig.hub);
  await hire(worker, "李卫国", ["warehouse-worker"], "SHA");
  bossesCode = await hire(manager, "赵经理", ["branch-manager"], "SHA");
});

step("the table of roles: by mouse, by keys, and one role on a telephone", async () => {
  await p.visit(hub, "/rights");
  await p.page.getByRole("button", { name: "仓库员工：查看库存：本仓" }).waitFor();
  await inspect(p, "rights", own);
  await p.page.setViewportSize(sizes.phone);
  assert.equal(await p.page.locator("#matrix thead th").count(), 1);
  await p.page.selectOption("#role-pick", "auditor");
  await p.page.getByRole("button", { name: "审计员：查看审计日志：全部仓库" }).waitFor();
  await p.page.setViewportSize(sizes.desktop);

  // A worker gets a permission by the space key, loses one by Delete, and a third is limited in the panel.
  const cell = (permission) => p.page.getByRole("button", { name: new RegExp(`^仓库员工：${permission}：`) });
  await cell("处理打印任务（确认、取消、补打）").focus();
  await p.page.keyboard.press("Space");
  await cell("处理打印任务（确认、取消、补打）").and(p.page.getByRole("button", { name: "本仓" })).waitFor();
  await p.page.keyboard.press("ArrowUp");
  assert.match(await p.page.evaluate(() => document.activeElement.getAttribute("aria-label")), /打印标签/);
  await cell("登记盘点").focus();
  await p.page.keyboard.press("Delete");
  await cell("查看库存").click();
  const panel = p.page.locator("dialog#panel");
  await panel.getByText("敏感字段").click();
  await panel.getByLabel("成本").selectOption("1");
  await settled();
  if (process.env.SHOTS) await shot(p.page, "rights-panel");
  await panel.getByText("条件", { exact: true }).click();
  await panel.getByLabel("只允许来自这些网段").fill("10.1.0.0/99");
  await panel.getByLabel("只允许来自这些网段").blur();
  await panel.getByText("看不懂网段").waitFor();
  await panel.getByLabel("只允许来自这些网段").fill("");
  await panel.getByLabel("只允许来自这些网段").blur();
  await settled();
  await p.page.keyboard.press("Escape");
  assert.match(await p.page.evaluate(() => document.activeElement.getAttribute("aria-label")), /查看库存/); // back where one was

  // A role is copied and given a name.
  await p.page.locator(".role-head").filter({ hasText: "仓库员工" }).click();
  assert.equal(await panel.getByRole("button", { name: "删除角色" }).isDisabled(), true);
  await press("复制为新角色");
  await panel.getByLabel("中文名").fill("夜班员工");
  await panel.getByLabel("英文名").fill("Night worker");
  await panel.getByLabel("英文名").blur();
  await settled();
  await press("完成");
  await p.page.locator(".role-head").filter({ hasText: "夜班员工" }).waitFor();

  // The draft is kept at the server: the page can be left and comes back as it was.
  await p.page.reload();
  await cell("登记盘点").and(p.page.locator(".is-changed")).waitFor();
  await p.page.getByText("2 个角色有改动，还没有生效。").waitFor();
});

step("what changes, in words, and saving with a factor", async () => {
  await p.page.getByRole("link", { name: "查看改动并保存" }).click();
  const delta = p.page.locator(".delta").filter({ hasText: "仓库员工" }).first();
  await delta.getByText(/新增 “处理打印任务（确认、取消、补打）”：本人所在仓库/).waitFor();
  await delta.getByText(/取消 “登记盘点”/).waitFor();
  await delta.getByText(/修改 “查看库存”：成本 隐藏 → 脱敏/).waitFor();
  await p.page.getByRole("heading", { name: "影响 1 人" }).waitFor();
  await inspect(p, "rights-changes", [...own, worker]);
  await p.page.evaluate(() => { document.getElementById("note").required = false; });
  await press("保存并生效");
  await p.page.getByText("请写明这次修改的原因").waitFor();
  await rig.stale();
  await p.page.fill("#note", "夜班打印标签");
  await press("保存并生效");
  await confirm();
  await p.page.getByText("已保存，现在起生效。").waitFor();
  await p.page.getByText("夜班打印标签").waitFor();
  await inspect(p, "rights-history", own);
});

step("the system as that person has it, and why", async () => {
  await p.visit(hub, "/rights/see");
  await inspect(p, "rights-see-empty", own);
  await p.page.selectOption("#account", worker);
  await press("查看");
  const row = (id) => p.page.locator(`tr[data-permission="${id}"]`);
  await row("print.decide").getByText("可以", { exact: true }).waitFor();
  await row("print.decide").getByText("SHA").waitFor();
  await row("stock.read").getByText("成本脱敏").waitFor();
  await row("count.write").getByText("不可以").waitFor();
  await p.page.locator(".seen-menu .is-hidden").filter({ hasText: "审计日志" }).waitFor();
  await p.page.locator(".seen-menu .is-shown").filter({ hasText: "库存" }).first().waitFor();
  await inspect(p, "rights-see", own);
  await row("count.write").getByRole("link").click();
  await p.page.getByText(/登记盘点：没有任何角色授予这项权限/).waitFor();
  await p.page.selectOption("#permission", "stock.read");
  await p.page.selectOption("#place", "SHA");
  await press("说明");
  await p.page.getByText(/角色“仓库员工”授予“查看库存”，范围：本人所在仓库/).waitFor();
  await inspect(p, "rights-why", own);
});

step("who can do what, on the page and as a file", async () => {
  await p.visit(hub, "/rights/report?q=" + worker);
  await p.page.locator("summary").filter({ hasText: "李卫国" }).waitFor(); // the only one is open
  await p.page.getByText("处理打印任务（确认、取消、补打）").waitFor();
  await inspect(p, "rights-report", own);
  const file = p.page.waitForEvent("download");
  await p.page.getByRole("link", { name: "下载 CSV" }).click();
  assert.match((await file).suggestedFilename(), /^rights-\d{4}-\d\d-\d\d\.csv$/);
});

step("somebody saves meanwhile: both are shown, nothing is lost", async () => {
  await p.visit(hub, "/rights");
  await p.page.getByRole("button", { name: /^采购：查看库存：/ }).focus();
  await p.page.keyboard.press("Delete");
  await settled();
  await p.visit(hub, "/rights/history/0");
  await inspect(p, "rights-edition", own);
  await p.page.fill("#note", "先退回预置");
  await press("退回到这一版");
  await p.page.getByText("已保存，现在起生效。").waitFor();
  await p.page.getByText("先退回预置").waitFor();
  await p.visit(hub, "/rights/changes");
  await p.page.getByRole("heading", { name: "别人已保存的改动" }).waitFor();
  await p.page.locator(".delta").filter({ hasText: "采购" }).last().getByText(/取消 “查看库存”/).waitFor();
  await glance(p, "rights-stale", [...own, "先退回预置"]);
  await press("合并到最新版本");
  await p.page.getByRole("button", { name: "保存并生效" }).waitFor();
  await press("放弃全部改动");
  await p.page.getByText("没有改动。").waitFor();
  await p.visit(hub, "/rights/see?account=" + worker);
  await p.page.locator('tr[data-permission="print.decide"]').getByText("不可以").waitFor(); // it is as it began
});

step("what excludes what: a rule of the company's own, and a warning before the administrators become one person", async () => {
  await p.visit(hub, "/rights/rules");
  await glance(p, "rights-rules", own);
  await p.page.getByRole("link", { name: "新增互斥规则" }).click();
  await p.page.fill("#zh", "销售不管钱");
  await p.page.fill("#en", "sellers handle no money");
  await p.page.check('input[name="role"][value="seller"]');
  await p.page.check('input[name="role"][value="finance"]');
  await press("再加一项职责");
  assert.equal(await p.page.locator("#d0_zh").count(), 1);
  await inspect(p, "rights-rule", [...own, "销售不管钱"]);
  await p.visit(hub, "/rights/rules/edit");
  await p.page.fill("#zh", "销售不管钱");
  await p.page.fill("#en", "sellers handle no money");
  await p.page.check('input[name="role"][value="seller"]');
  await p.page.check('input[name="role"][value="finance"]');
  await press("存入草稿");
  await p.page.locator('[data-rule="rule-1"]').getByText("角色：销售、财务").waitFor();
  await p.page.locator('[data-rule="administration"]').getByRole("button", { name: /删除/ }).click();
  await p.page.getByText("可以是同一个人").first().waitFor();
  await p.page.getByRole("link", { name: "查看改动并保存" }).click();
  await p.page.locator(".delta").filter({ hasText: "三员分立" }).getByText("角色：系统管理员、安全管理员、审计员").waitFor();
  await glance(p, "rights-separation", own);
  await p.page.fill("#note", "试一试");
  await p.page.evaluate(() => { document.querySelector("[name=separation]").required = false; });
  await press("保存并生效");
  await p.page.getByText("这样会取消三员分立").waitFor();
  await p.visit(hub, "/rights/rules");
  await p.page.locator('[data-rule="administration"]').getByRole("button", { name: /不删了/ }).click();
  await p.page.getByRole("link", { name: "查看改动并保存" }).click();
  await p.page.fill("#note", "销售不管钱");
  await press("保存并生效");
  await p.page.getByText("已保存，现在起生效。").waitFor();
  await p.page.locator("tr, li").filter({ hasText: "销售不管钱" }).first().waitFor();
});

step("a review of roles, from its start to its signed result", async () => {
  await p.visit(hub, "/reviews");
  await inspect(p, "reviews", own);
  await p.page.fill("#title", "四季度复核");
  await press("发起复核");
  await p.page.getByRole("heading", { name: "四季度复核" }).waitFor();

  // The manager of the warehouse answers for its people, not for himself.
  boss = await enter(bossesCode);
  await boss.visit(hub, "/reviews");
  await boss.page.getByRole("link", { name: "四季度复核" }).click();
  await boss.page.locator("[data-item]").filter({ hasText: "李卫国" }).waitFor();
  assert.equal(await boss.page.locator("[data-item]").filter({ hasText: "赵经理" }).count(), 0);
  await inspect(boss, "review", [...own, "四季度复核"]);
  await press("取消角色 李卫国 (lishifu) 仓库员工", boss);
  await boss.page.getByText("取消角色要写明原因").waitFor();
  await boss.page.goBack();
  await boss.page.locator("[data-item] input[name=note]").first().fill("已调离仓库");
  await press("取消角色 李卫国 (lishifu) 仓库员工", boss);
  await boss.page.getByText("没有等您回答的了。").waitFor();
  await boss.leave();
  await p.visit(hub, "/people/person/" + worker); // it works at once
  assert.equal(await p.page.isChecked('input[value="warehouse-worker"]'), false);

  await p.visit(hub, "/reviews");
  await p.page.getByRole("link", { name: "四季度复核" }).click();
  await p.page.locator("[data-item]").filter({ hasText: "赵经理" }).getByRole("button", { name: /确认保留/ }).click();
  await p.page.getByText("没有等您回答的了。").waitFor();
  await rig.stale();
  await press("结束复核");
  await confirm();
  await p.page.getByRole("heading", { name: "带签名的结果" }).waitFor();
  await inspect(p, "review-closed", [...own, "四季度复核", "已调离仓库"]);
  const file = p.page.waitForEvent("download");
  await p.page.getByRole("link", { name: "下载结果" }).click();
  const got = await file;
  assert.equal(got.suggestedFilename(), "review-1.cose");
});

step("nothing was wrong meanwhile", async () => { await p.leave(); });
