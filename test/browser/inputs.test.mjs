// The other ways into a station: the camera of the telephone, and scanners that act as keyboards.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps, until } from "./browser.mjs";
import { catalogue, ean, gs1, items, milk, oil, rice, soap, tea } from "./goods.mjs";
import { glance, ready } from "./look.mjs";
import { start } from "./rig.mjs";
import { film } from "./video.mjs";

const labels = ["收货口", "打字台", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
const step = steps(test);
const folder = mkdtempSync(join(tmpdir(), "stockade-film-")), lens = join(folder, "lens.y4m");
let rig, edge, seeing, p;

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [
    { name: "dock-1", label: "收货口", mode: "receive" },
    { name: "type-1", label: "打字台", mode: "receive", wedge: "codeid=datalogic gs=| end=silence" },
  ] }] });
  edge = rig.nodes[0];
  film(lens);
  seeing = await launch("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${lens}`);
});

after(async () => {
  await seeing?.close();
  await rig?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** scans returns the numbers, outcomes and contents of a station's scans, oldest first. */
async function scans(station = "dock-1") {
  const answer = await p.context.request.get(`${edge.address}/api/v1/stations/${station}/scans`);
  return (await answer.json()).scans;
}

const says = (text, page = p.page) => page.locator("#camera-says").filter({ hasText: text }).waitFor()
  .catch(async (e) => { throw new Error(`${e.message}; the camera says: ${await page.locator("#camera-says").innerText()}`); });
const button = (name, page = p.page) => page.getByRole("button", { name });

/** point makes the camera look at barcodes, or at none. Chromium reads its file when the camera is opened. */
async function point(...symbols) {
  if (await p.page.locator("#camera").isVisible()) await button("关闭摄像头").click();
  film(lens, ...symbols);
  await button("用摄像头扫码").click();
}

/** empty shows the camera an empty wall until what it had read counts as gone. */
async function empty() {
  await point();
  await says("把条码放进框里");
}

/** without opens the station in a browser with other cameras, and ends it afterwards. */
async function without(flags, look) {
  const browser = await launch(...flags);
  try {
    const guest = await browser.person({ viewport: sizes.phone });
    await guest.visit(edge.address, "/station/dock-1");
    await ready(guest.page);
    await look(guest, guest.page);
    assert.equal(await guest.page.evaluate(() => performance.getEntriesByType("resource").filter((r) => /zxing|worker/.test(r.name)).length), 0, "the reader was fetched before it was needed");
    await guest.leave();
  } finally {
    await browser.close();
  }
}

step("a camera that is refused, absent or on a page that is not secure is told in words", async () => {
  await without(["--use-fake-device-for-media-stream"], async (guest, page) => { // nobody gives the permission
    await button("用摄像头扫码", page).click();
    await says("摄像头没有被允许", page);
    await shot(page, "camera-refused-phone");
    await button("关闭摄像头", page).click();
    await page.locator("#camera").waitFor({ state: "hidden" });
  });
  await without([], async (guest, page) => {
    await button("用摄像头扫码", page).click();
    await says("没有找到摄像头", page);
    await button("再试一次", page).click();
    await says("没有找到摄像头", page);
    await page.evaluate(() => Object.defineProperty(window, "isSecureContext", { value: false }));
    await button("再试一次", page).click();
    await says("https://", page);
    await page.keyboard.press("Escape");
    await page.locator("#camera").waitFor({ state: "hidden" });
  });
});

step("what the camera sees is booked once, however long it is held", async () => {
  p = await seeing.person({ viewport: sizes.phone });
  await p.visit(edge.address, "/station/dock-1");
  await ready(p.page);
  await point(await rig.symbol("ean13", milk.gtin));
  await p.page.locator('#station[data-outcome="accepted"]').locator("#sentence", { hasText: "收货 1 盒" }).waitFor();
  await says("这个条码已读过");
  await shot(p.page, "camera-held-phone");
  const pictures = async () => Number(await p.page.locator("#camera").getAttribute("data-pictures"));
  const from = await pictures();
  await until("many more pictures of the same code", async () => await pictures() > from + 40);
  let all = await scans();
  assert.deepEqual(all.map((s) => [s.outcome, atob(s.raw)]), [["accepted", ean(milk)]]);

  await point(await rig.symbol("ean13", milk.gtin)); // the camera was closed meanwhile: it is still the same scan
  await says("这个条码已读过");
  assert.equal((await scans()).length, 1);

  await empty();
  await point(await rig.symbol("ean13", milk.gtin));
  await until("a second scan", async () => (await scans()).length === 2);
  await p.page.locator("#accepted", { hasText: /^2$/ }).waitFor();
});

step("lot, expiry and counts come with the code, in every symbology", async () => {
  const label = gs1(rice, { lot: "L7", expiry: "351231", count: "3" }).slice(3);
  for (const [kind, id] of [["gs1-128", "]C1"], ["gs1-datamatrix", "]d2"]]) {
    const before = (await scans()).length;
    await empty();
    await point(await rig.symbol(kind, label));
    await until(kind, async () => (await scans()).length > before);
    const s = (await scans()).at(-1);
    assert.deepEqual([s.outcome, s.lot, s.expiry, s.quantity, atob(s.raw)], ["accepted", "L7", "2035-12-31", "3", id + label]);
  }
  await empty();
  await point(await rig.symbol("qr", "BIN:RECV\r\nline two")); // one scan whatever it holds
  await until("a scan of the QR Code", async () => atob((await scans()).at(-1).raw) === "]Q1BIN:RECV\r\nline two");
  await empty();
  await point(await rig.symbol("code128", "STK:MODE:PICK"));
  await p.page.locator("#mode", { hasText: /^拣货$/ }).waitFor();
  await empty();
  await point(await rig.symbol("code128", "STK:MODE:RECEIVE"));
  await p.page.locator("#mode", { hasText: /^收货$/ }).waitFor();
});

step("of several codes in the picture none is taken", async () => {
  const before = (await scans()).length;
  await empty();
  await point(await rig.symbol("ean13", tea.gtin), await rig.symbol("ean13", oil.gtin));
  await says("框里有几个条码");
  await shot(p.page, "camera-several-phone");
  await p.page.setViewportSize(sizes.desktop);
  await shot(p.page, "camera-several-desktop");
  await p.page.setViewportSize(sizes.narrow);
  assert.equal(await p.page.evaluate(() => document.documentElement.scrollWidth), sizes.narrow.width, "the page is too wide with the camera open");
  assert.equal((await scans()).length, before);
});

step("a scanner types while the camera is open", async () => {
  await p.page.keyboard.type(ean(soap), { delay: 2 });
  await p.page.keyboard.press("Enter");
  await p.page.locator("#item", { hasText: soap.name }).waitFor();
  await button("关闭摄像头").click();
  await p.page.setViewportSize(sizes.desktop);
  await glance(p, "station-camera", labels);
});

step("nothing was wrong meanwhile", () => p.leave());
