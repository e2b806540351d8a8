// Security lessons: one is read and its quiz failed, explained and passed; what the security administrator and the auditor see of it. And a person who leaves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, steps, until } from "./browser.mjs";
import { catalogue } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, join, password } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const worker = "lishifu", auditor = "shenji";
let rig, hub, browser, p, w;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "dock-1", label: "收货口", mode: "receive", closed: true }] }] });
  hub = rig.hub.address;
  browser = await launch();
});
after(async () => { await browser?.close(); await rig?.stop(); });

const press = (text, who = p) => who.page.getByRole("button", { name: text, exact: true }).first().click();

/** answer chooses an answer to each question of the quiz that is open: the right ones, but for those of whose number wrong says so. */
async function answer(who, right, wrong = () => false) {
  const questions = who.page.locator("fieldset.quiz-question");
  for (let n = 0; n < await questions.count(); n++) {
    const labels = questions.nth(n).locator("label");
    for (let i = 0; i < await labels.count(); i++) {
      const text = (await labels.nth(i).innerText()).trim();
      if (right.has(text) !== wrong(n)) await labels.nth(i).locator("input").check();
    }
  }
}

/** confirm gives the password again where it is asked for. */
async function confirm() {
  await p.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await p.page.fill("#confirm", password);
  await press("确认并继续");
}

const right = new Set([ // of the lesson about badges
  "先收工，回来再扫牌", "不借，请管理员给他做一张", "输 PIN 时用手挡一下", "工牌丢了马上挂失", "扫自己的工牌再开始，并提醒他",
]);

step("everybody has lessons to take", async () => {
  p = await browser.person();
  await begin(p, rig.hub);
  w = await join(browser, p, hub, worker, "warehouse-worker", "SHA");
  assert.match(await w.page.getByRole("navigation").getByRole("link", { name: /我的学习/ }).innerText(), /8/);
  await w.visit(hub, "/lessons");
  await inspect(w, "lessons");
  await w.page.getByRole("link", { name: /工牌、PIN 和离开工位/ }).click();
  await glance(w, "lesson");
});

step("a quiz is failed, explained, and passed", async () => {
  await press("开始答题", w);
  await inspect(w, "lesson-quiz");
  await w.page.locator("fieldset.quiz-question").first().locator("input").first().check();
  await press("交卷", w); // the rest is not answered
  await w.page.getByText("还有题没有选答案").waitFor();
  assert.equal(await w.page.locator("fieldset.quiz-question").first().locator("input").first().isChecked(), true);
  await w.page.reload();
  await answer(w, right, (n) => n < 2);
  await press("交卷", w);
  await w.page.getByText("这次没有通过。").waitFor();
  assert.equal(await w.page.locator(".quiz-why").count(), 2);
  await glance(w, "lesson-failed");
  await w.page.getByRole("link", { name: "再读一遍" }).click();
  await press("开始答题", w);
  await answer(w, right);
  await press("交卷", w);
  await w.page.getByText("通过了。").waitFor();
  await w.page.getByRole("link", { name: "回到我的学习" }).click();
  await w.page.locator("section.card").filter({ hasText: "其他课程" }).getByText("工牌、PIN 和离开工位").waitFor();
  await w.visit(hub, "/lessons/report");
  await w.page.getByText("您没有这项权限").waitFor();
});

step("who has passed, for the administrator and the auditor", async () => {
  await p.visit(hub, "/lessons/report?q=" + worker);
  await p.page.locator("tr").filter({ hasText: "工牌、PIN 和离开工位" }).filter({ hasText: worker }).getByText("4 / 4").waitFor();
  await inspect(p, "lessons-report", [worker]);
  const a = await join(browser, p, hub, auditor, "auditor");
  await a.visit(hub, "/lessons/report?state=passed");
  await a.page.locator("td").filter({ hasText: worker }).first().waitFor();
  const file = a.page.waitForEvent("download");
  await a.page.getByRole("link", { name: "下载 CSV" }).click();
  assert.match((await file).suggestedFilename(), /^lessons-\d{4}-\d\d-\d\d\.csv$/);
  await a.leave();
});

step("a lesson of the company's own, asked of everybody", async () => {
  await p.visit(hub, "/lessons/own");
  await inspect(p, "lesson-own");
  await p.page.fill("#title_zh", "叉车");
  await p.page.fill("#text_zh", "慢一点。\n\n看后面。");
  await p.page.fill("#questions_zh", "? 叉车多快\n+ 走路的速度\n- 越快越好");
  await press("保存");
  await p.page.getByText("要有 3 到 10 道题").waitFor();
  await p.page.fill("#questions_zh", ["一", "二", "三"].map((n) => `? 第${n}题\n+ 对\n- 错\n! 就是这样`).join("\n"));
  await press("保存");
  await p.page.getByRole("heading", { name: "叉车" }).waitFor();
  await p.visit(hub, "/lessons/manage");
  await p.page.selectOption("#lesson", { label: "叉车" });
  await press("布置");
  await p.page.locator("tr").filter({ hasText: "叉车" }).getByText("30 天内").waitFor();
  await inspect(p, "lessons-manage", ["叉车"]);
  await w.visit(hub, "/lessons");
  await w.page.locator("#waiting").getByText("叉车").waitFor();
});

step("somebody leaves: item by item, to the summary", async () => {
  await p.visit(hub, "/people/person/" + worker);
  await p.page.getByRole("link", { name: "办理离职" }).click();
  await press("开始清单");
  const item = (key) => p.page.locator(`[data-item="${key}"]`);
  await item("account").getByText("待处理").waitFor();
  await inspect(p, "leaver", [worker]);
  await item("account").getByRole("button", { name: "停用账号" }).click();
  await item("account").getByText(/已完成|等节点知道/).waitFor();
  await item("sessions").getByText("无需处理", { exact: true }).waitFor();
  await w.page.reload();
  await w.page.getByRole("heading", { name: "登录" }).waitFor(); // out at once
  await item("roles").getByRole("button", { name: "全部收回" }).click();
  await item("roles").getByText("已完成").waitFor();
  for (const key of ["badge_card", "keys", "telephone", "laptop", "sticks", "papers"]) {
    await item(key).getByRole("button", { name: key === "badge_card" ? "已收回" : "没有", exact: true }).click();
    await item(key).getByText("已完成").waitFor();
  }
  await rig.stale();
  await press("办结");
  await confirm();
  await p.page.getByText("经办人：").waitFor({ state: "attached" });
  await until("the node has heard", async () => {
    await p.page.reload();
    return await p.page.locator("#nodes").getByText("已知道", { exact: true }).count() > 0;
  });
  await glance(p, "leaver-finished", [worker]);
  await p.visit(hub, "/leavers");
  await glance(p, "leavers", [worker]);
});

step("nothing was wrong meanwhile", async () => { await w.leave(); await p.leave(); });
