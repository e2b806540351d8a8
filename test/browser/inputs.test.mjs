// The other ways into a station: the camera of the telephone, and scanners that act as keyboards.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, shot, sizes, steps, until } from "./browser.mjs";
import { catalogue, ean, gs1, items, milk, oil, rice, soap, tea } from "./goods.mjs";
import { glance, ready } from "./look.mjs";
import { root, start } from "./rig.mjs";
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
    await point(await rig.symbol(kind, label));
    await until(kind, async () => (await scans()).length > before);
    const s = (await scans()).at(-1);
    assert.deepEqual([s.outcome, s.lot, s.expiry, s.quantity, atob(s.raw)], ["accepted", "L7", "2035-12-31", "3", id + label]);
  }
  await point(await rig.symbol("qr", "BIN:RECV\r\nline two")); // one scan whatever it holds
  await until("a scan of the QR Code", async () => atob((await scans()).at(-1).raw) === "]Q1BIN:RECV\r\nline two");
  await point(await rig.symbol("code128", "STK:MODE:PICK"));
  await p.page.locator("#mode", { hasText: /^拣货$/ }).waitFor();
  await point(await rig.symbol("code128", "STK:MODE:RECEIVE"));
  await p.page.locator("#mode", { hasText: /^收货$/ }).waitFor();
});

step("of several codes in the picture none is taken", async () => {
  const before = (await scans()).length;
  await point(await rig.symbol("ean13", tea.gtin), await rig.symbol("ean13", oil.gtin));
  await says("框里有几个条码");
  await shot(p.page, "camera-several-phone");
  await p.page.setViewportSize(sizes.desktop);
  await shot(p.page, "camera-several-desktop");
  await p.page.setViewportSize(sizes.narrow);
  assert.equal(await p.page.evaluate(() => document.documentElement.scrollWidth), sizes.narrow.width, "the page is too wide with the camera open");
  assert.equal((await scans()).length, before);
  assert.ok(!(await button("手电筒").isVisible()), "a torch that the camera does not have");
  await p.page.evaluate(() => { // no camera of a file has one
    MediaStreamTrack.prototype.getCapabilities = () => ({ torch: true });
    MediaStreamTrack.prototype.applyConstraints = async (c) => { window.torch = c.advanced[0].torch; };
  });
  await point();
  for (const on of [true, false]) {
    await button("手电筒").click();
    await p.page.locator(`#camera-torch[aria-pressed="${on}"]`).waitFor();
    assert.equal(await p.page.evaluate(() => window.torch), on);
  }
});

step("a scanner types while the camera is open", async () => {
  await p.page.keyboard.type(ean(soap), { delay: 2 });
  await p.page.keyboard.press("Enter");
  await p.page.locator("#item", { hasText: soap.name }).waitFor();
  await button("关闭摄像头").click();
  await p.page.setViewportSize(sizes.desktop);
  await glance(p, "station-camera", labels);
});


/** keys makes the page hear a keyboard scanner: a list of [key, code, modifiers], one every millisecond or so. */
const keys = (list) => p.page.evaluate((all) => {
  for (const [key, code, more] of all) {
    const from = document.activeElement ?? document.body;
    for (const kind of [...(more?.up ? [] : ["keydown"]), "keyup"]) from.dispatchEvent(new KeyboardEvent(kind, { key, code, bubbles: true, cancelable: true, ...more }));
  }
}, list);

const marks = { "-": "Minus", "=": "Equal", "[": "BracketLeft", "]": "BracketRight", "\\": "Backslash", ";": "Semicolon", "'": "Quote", "`": "Backquote", ",": "Comma", ".": "Period", "/": "Slash", " ": "Space" };
const shifted = { "_": "-", "+": "=", "{": "[", "}": "]", "|": "\\", ":": ";", '"': "'", "~": "`", "<": ",", ">": ".", "?": "/", ")": "0", "!": "1", "@": "2", "#": "3", "$": "4", "%": "5", "^": "6", "&": "7", "*": "8", "(": "9" };

/** on returns the key of a character on a US keyboard. */
function on(c) {
  const shiftKey = c in shifted || /[A-Z]/.test(c), plain = shifted[c] ?? c;
  return [c, marks[plain] ?? (/[0-9]/.test(plain) ? `Digit${plain}` : `Key${plain.toUpperCase()}`), { shiftKey }];
}

const enter = ["Enter", "Enter"], tab = ["Tab", "Tab"];
const alt = (n) => [["Alt", "AltLeft", { altKey: true }], ...[...n].map((d) => [d, `Numpad${d}`, { altKey: true }]), ["Alt", "AltLeft", { up: true }]];
const separators = [[["]", "BracketRight", { ctrlKey: true }]], [["F8", "F8"]], alt("029"), [["\u00dc", "BracketRight", { ctrlKey: true }]]];
let turn = 0;

/** typing returns the keys of a text: GS in each of the ways in which scanners type it. */
const typing = (text) => [...text].flatMap((c) => (c === "\x1d" ? separators[turn++ % separators.length] : c < " " ? [[c, `Key${String.fromCharCode(64 + c.charCodeAt(0))}`, { ctrlKey: true }]] : [on(c)]));

/** vectors are those of the project that a keyboard can type: [bytes, meaning, tags]. */
function vectors() {
  const escapes = { t: "\t", r: "\r", n: "\n", '"': '"', "\\": "\\" };
  return readFileSync(join(root, "protocol/barcode/testdata/scans.tsv"), "utf8").split("\n").filter((l) => l.startsWith('"')).map((l) => l.split("\t"))
    .map(([raw, meaning, tags = ""]) => [raw.slice(1, -1).replace(/\\(x..|.)/g, (_, e) => (e[0] === "x" ? String.fromCharCode(parseInt(e.slice(1), 16)) : escapes[e])), JSON.parse(meaning), tags])
    .filter(([raw, meaning, tags]) => !/frame=|codeid=zebra|gs=[^|]/.test(tags) && /^[\x1d\x1e\x04\x20-\x7e\r\n\t]+$/.test(raw) && meaning.length > 0);
}

step("what is typed means what the same bytes mean on a serial port", async () => {
  const all = vectors();
  for (const [station, mine, every] of [["dock-1", (tags) => !/codeid|gs=/.test(tags), 5], ["type-1", (tags) => /codeid=datalogic|gs=\|/.test(tags), 1]]) {
    await p.visit(edge.address, `/station/${station}`);
    await ready(p.page);
    const chosen = all.filter(([, , tags]) => mine(tags)).filter((_, i) => i % every === 0), before = (await scans(station)).length;
    assert.ok(chosen.length >= 5, `${chosen.length} vectors for ${station}`);
    for (const [raw] of chosen) {
      const frames = raw.split(/[\r\n\t]+/).filter((f) => f);
      await keys(frames.flatMap((f, i) => [...typing(f), i % 2 ? tab : enter]));
    }
    const wanted = chosen.flatMap(([raw, meaning]) => meaning.map((m) => [raw, m]));
    await until(`${wanted.length} scans at ${station}`, async () => (await scans(station)).length >= before + wanted.length);
    const got = (await scans(station)).slice(before);
    assert.equal(got.length, wanted.length);
    wanted.forEach(([raw, meaning], i) => assert.deepEqual(got[i].scan, meaning, JSON.stringify(raw)));
  }
});

/** typed checks what a station's last scan was made of, after new keys. */
async function typed(list, text, station = "dock-1") {
  const before = (await scans(station)).length;
  await keys(list);
  await until(`a scan of ${text}`, async () => (await scans(station)).length > before);
  const now = await scans(station);
  assert.deepEqual([now.length, Buffer.from(now.at(-1).raw, "base64").toString()], [before + 1, text]);
}

step("Caps Lock, input methods and layouts bend no code", async () => {
  await p.visit(edge.address, "/station/dock-1");
  await ready(p.page);
  const code = "]C110aBc-7_Z", bent = (change) => [...code].map(on).map(change);
  const swap = (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase());
  await typed([...bent(([k, c, m]) => [swap(k), c, { ...m, modifierCapsLock: true }]), enter], code);
  await typed([...bent(([, c, m]) => ["Process", c, { ...m, isComposing: true }]), ["Process", "Enter"]], code);
  await typed([...bent(([k, c, m]) => [String.fromCharCode(k.charCodeAt(0) + 0xfee0), c, m]), ["Enter", "NumpadEnter"]], code);
  await typed([...[...code].flatMap((c) => alt(String(c.charCodeAt(0)).padStart(3, "0"))), enter], code);
  await typed([...typing("BIN:A-01"), ["m", "KeyM", { ctrlKey: true }], ["j", "KeyJ", { ctrlKey: true }]], "BIN:A-01"); // CR LF as control characters
  await typed([...alt("186"), ...alt("208"), ...alt("049"), ...alt("050"), enter], "\ufffd\ufffd12"); // bytes of GB18030
  assert.equal((await scans()).at(-1).scan.text, "盒12");
  // By hand Caps Lock means what it says.
  await p.page.keyboard.type("hello", { delay: 120 });
  await p.page.keyboard.press("Enter");
  await until("what was typed by hand", async () => atob((await scans()).at(-1).raw) === "hello");
});

step("half a code is no code", async () => {
  const before = (await scans()).length, half = p.page.locator("#item", { hasText: "只收到半个条码" });
  const [, ...code] = typing(ean(tea));
  await p.page.evaluate(() => window.focus());
  await keys(code.slice(0, 6));
  await p.page.evaluate(() => window.dispatchEvent(new Event("blur")));
  await half.waitFor();
  await p.page.locator("#typed").waitFor({ state: "hidden" });
  await typed([...typing(ean(tea)), enter], ean(tea)); // which is shown again
  await half.waitFor({ state: "detached" }).catch(() => half.waitFor({ state: "hidden" }));
  await p.page.evaluate(() => window.dispatchEvent(new Event("focus"))); // the first half went elsewhere
  await keys([...code.slice(6), enter]);
  await half.waitFor();
  assert.equal((await scans()).length, before + 1);
  await keys([...typing("69012"), ["F9", "F9"], ...typing("34567"), enter]); // a function key amid a code is no command
  await half.waitFor();
  assert.equal((await scans()).length, before + 1);
  await keys(typing("6901234567")); // no end comes
  await p.page.locator("#item", { hasText: "扫描枪没有发送回车" }).waitFor();
  await keys([["Escape", "Escape"]]);
  await p.page.locator("#typed").waitFor({ state: "hidden" });
  assert.equal((await scans()).length, before + 1);
});

step("a scanner types into a field of a form: the field keeps what was in it, and the scan counts", async () => {
  await p.page.evaluate(() => {
    const form = Object.assign(document.createElement("form"), { id: "form" }), field = Object.assign(document.createElement("input"), { id: "field" });
    form.addEventListener("submit", (e) => { e.preventDefault(); window.sent = (window.sent ?? 0) + 1; });
    form.append(field);
    document.querySelector(".st-side").append(form);
    field.focus();
  });
  const before = (await scans()).length;
  await p.page.keyboard.type("纸卡住 2", { delay: 200 });
  await p.page.keyboard.type(ean(oil));
  await p.page.keyboard.press("Enter");
  await p.page.locator("#item", { hasText: oil.name }).waitFor();
  assert.deepEqual(await p.page.evaluate(() => [document.getElementById("field").value, window.sent ?? 0]), ["纸卡住 2", 0]);
  await p.page.keyboard.type("00", { delay: 120 });
  await p.page.keyboard.press("Enter");
  assert.deepEqual(await p.page.evaluate(() => [document.getElementById("field").value, window.sent]), ["纸卡住 200", 1]);
  await p.page.evaluate(() => { // a scanner that stutters: nobody knows whether all of it came
    const press = (k) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: k, code: k === "Enter" ? k : `Digit${k}`, bubbles: true, cancelable: true }));
    for (const k of "69012345") press(k);
    for (const from = performance.now(); performance.now() < from + 200;); // the browser was busy
    for (const k of "67007456") press(k);
    press("Enter");
  });
  await p.page.locator("#item", { hasText: "只收到半个条码" }).waitFor();
  assert.equal((await scans()).length, before + 1);
  const lot = gs1(tea, { lot: "L9", count: "4" }); // with GS as an Alt code, of which the page hears the keys only
  await p.page.evaluate(() => document.getElementById("field").focus());
  await typed([...[...lot].flatMap((c) => (c === "\x1d" ? alt("029") : [on(c)])), enter], lot);
  await keys([...typing(ean(tea)).slice(0, 9), ["F13", "F13"], ...typing(ean(tea)).slice(9), enter]);
  await p.page.locator("#item", { hasText: "只收到半个条码" }).waitFor();
});

step("a scanner without an end, where the station knows of it", async () => {
  await p.visit(edge.address, "/station/type-1");
  await ready(p.page);
  await typed(typing(`B${soap.gtin}`), `B${soap.gtin}`, "type-1");
  await p.page.locator("#item", { hasText: soap.name }).waitFor();
  await p.page.keyboard.type("BIN:A-01", { delay: 120 }); // by hand, without a Code ID
  await p.page.keyboard.press("Enter");
  await until("what was typed by hand", async () => (await scans("type-1")).at(-1).scan?.text === "BIN:A-01");
});

step("a quantity set by command stands on the page until the next item", async () => {
  await p.visit(edge.address, "/station/dock-1");
  await ready(p.page);
  await typed([...typing("STK:QTY:12"), enter], "STK:QTY:12");
  await p.page.locator("#times", { hasText: "× 12" }).waitFor();
  await typed([...typing("BIN:A-01"), enter], "BIN:A-01"); // no bin is chosen now, and the quantity still stands
  await p.page.locator(".times", { hasText: "× 12" }).waitFor();
  await glance(p, "station-quantity", labels);
  await typed([...typing(ean(oil)), enter], ean(oil));
  await p.page.locator("#amount", { hasText: "12" }).waitFor();
  await p.page.locator("#times").waitFor({ state: "hidden" });
});

step("nothing was wrong meanwhile", () => p.leave());
