// Files that belong to something: added with and without scripts and by a telephone's camera, refused, looked at, downloaded, destroyed.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { after, before, test } from "node:test";
import { deflateRawSync, deflateSync, crc32 } from "node:zlib";
import { launch, shot, sizes, steps, until } from "./browser.mjs";
import { catalogue, ean, items, milk } from "./goods.mjs";
import { glance, inspect } from "./look.mjs";
import { begin, join, password, signIn } from "./people.mjs";
import { start } from "./rig.mjs";

const step = steps(test);
const hq = "钱运营", manager = "周经理", note = "三年框架合同", number = "HT-2026-001";
const data = [hq, manager, note, number, "年度合同.pdf", "收据.txt", "现场.png", "录入错误", "牛奶", "验收合格", "第二行", "收货口", "个", ...items.map((i) => i.name), ...items.map((i) => i.unit)];
let rig, hub, browser, p, o, m;
const press = (who, label) => who.page.getByRole("button", { name: label, exact: true }).click();
const said = (who, sentence) => who.page.getByRole("alert").filter({ hasText: sentence }).waitFor();

/** pdf is a document of one page that says something in Chinese, in a font that it does not bring: the encoding is fetched for it. */
const pdf = (() => {
  const text = Buffer.from("年度采购合同", "utf16le").swap16().toString("hex");
  const draw = deflateSync(Buffer.from(`BT /F1 36 Tf 60 700 Td <${text}> Tj ET 60 600 300 40 re f`));
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    `<< /Length ${draw.length} /Filter /FlateDecode >>\nstream\n${draw.toString("latin1")}\nendstream`,
    "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>",
    "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> /FontDescriptor 7 0 R >>",
    "<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
  ];
  let body = "%PDF-1.5\n";
  const at = objects.map((object, i) => { const n = body.length; body += `${i + 1} 0 obj\n${object}\nendobj\n`; return n; });
  const table = body.length;
  return Buffer.from(`${body}xref\n0 ${at.length + 1}\n0000000000 65535 f \n${at.map((n) => `${String(n).padStart(10, "0")} 00000 n \n`).join("")}trailer\n<< /Size ${at.length + 1} /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`, "latin1");
})();

/** png is a picture of one colour. */
function png(width, height) {
  const chunk = (kind, body) => {
    const b = Buffer.concat([Buffer.from(kind), body]), out = Buffer.alloc(b.length + 8);
    out.writeUInt32BE(body.length);
    b.copy(out, 4);
    out.writeUInt32BE(crc32(b), b.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const line = Buffer.concat([Buffer.from([0]), Buffer.alloc(width * 3, 0x55)]);
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", deflateSync(Buffer.concat(Array(height).fill(line)))), chunk("IEND", Buffer.alloc(0))]);
}

/** zip is an archive of texts. */
function zip(files) {
  const parts = [], index = [];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const plain = Buffer.from(text), body = deflateRawSync(plain), head = Buffer.alloc(26);
    head.set([20, 0, 0, 0, 8, 0]);
    head.writeUInt32LE(crc32(plain), 10);
    head.writeUInt32LE(body.length, 14);
    head.writeUInt32LE(plain.length, 18);
    head.writeUInt16LE(Buffer.byteLength(name), 22);
    parts.push(Buffer.from("504b0304", "hex"), head, Buffer.from(name), body);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    index.push(Buffer.from("504b01021400", "hex"), head, tail, Buffer.from(name));
    at += 30 + Buffer.byteLength(name) + body.length;
  }
  const list = Buffer.concat(index), end = Buffer.alloc(18);
  end.writeUInt16LE(Object.keys(files).length, 4);
  end.writeUInt16LE(Object.keys(files).length, 6);
  end.writeUInt32LE(list.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...parts, list, Buffer.from("504b0506", "hex"), end]);
}

const types = "[Content_Types].xml";
const macros = zip({ [types]: '<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>', "word/document.xml": "<w/>", "word/vbaProject.bin": "x" });

const folder = mkdtempSync(path(tmpdir(), "stockade-files-"));

/** large makes a file of so many megabytes without writing them. */
function large(name, megabytes) {
  const at = path(folder, name);
  writeFileSync(at, "x");
  truncateSync(at, megabytes << 20);
  return at;
}

/** give chooses a file in the form that is open. */
const give = (who, name, buffer, mimeType = "application/octet-stream", at = "#file") => who.page.setInputFiles(at, { name, mimeType, buffer });

before(async () => {
  rig = await start({ ...catalogue, nodes: [{ id: "sh-1", warehouse: "SHA", stations: [{ name: "sh-dock", label: "收货口", mode: "receive" }] }] });
  hub = rig.hub.address;
  await rig.scan("sh-dock", ean(milk));
  browser = await launch();
  p = await browser.person();
  await begin(p, rig.hub);
  await until("stock", async () => (await rig.hubJSON("stock", "--json")).rows.length === 1);
  o = await join(browser, p, hub, hq, "operations");
  m = await join(browser, p, hub, manager, "branch-manager", "SHA");
});

after(async () => {
  await browser?.close();
  await rig?.stop();
  rmSync(folder, { recursive: true, force: true });
});

step("a contract is added to an item and looked at, page by page", async () => {
  await o.visit(hub);
  await o.page.getByRole("link", { name: milk.sku }).first().click();
  await o.page.getByText("没有附件。").waitFor();
  await o.page.getByRole("link", { name: "添加附件" }).click();
  await inspect(o, "file-new", data);
  await o.page.fill("#number", number);
  await o.page.fill("#note", note);
  await press(o, "上传");
  await said(o, "请选择文件");
  await give(o, "年度合同.pdf", pdf);
  await press(o, "上传");
  await o.page.waitForURL(/\/files\/file\//);
  await inspect(o, "file", data);
  await o.page.getByRole("link", { name: "查看", exact: true }).click();
  await o.page.locator("[data-shown='1']").waitFor();
  await shot(o.page, "file-view-document-shown");
  const ink = await o.page.locator("canvas").evaluate((c) => {
    const dark = (x, y, w, h) => { const d = c.getContext("2d").getImageData(x * c.width, y * c.height, w * c.width, h * c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i] < 100) n++; return n / (d.length / 4); };
    return { box: dark(0.15, 0.25, 0.3, 0.02), text: dark(0.1, 0.11, 0.5, 0.06), paper: dark(0.1, 0.5, 0.8, 0.4) };
  });
  assert.ok(ink.box > 0.9 && ink.text > 0.02 && ink.text < 0.6 && ink.paper === 0, JSON.stringify(ink));
  assert.ok(await o.page.locator("img.watermark").evaluate((e) => e.complete && e.naturalWidth > 0));
  await glance(o, "file-view-document", data);
});

step("what is not taken says why, and what was typed stays", async () => {
  await o.visit(hub, `/files/new?kind=item&id=${milk.sku}`);
  await o.page.fill("#note", note);
  await give(o, "合同.docx", macros);
  await press(o, "上传");
  await said(o, "宏");
  await give(o, "page.txt", Buffer.from("<!doctype html><script>alert(1)</script>"));
  await press(o, "上传");
  await said(o, "不收网页、脚本或程序文件");
  await give(o, "a.pdf", png(10, 10));
  await press(o, "上传");
  await said(o, "后缀与内容不符");
  await o.page.setInputFiles("#file", large("a.png", 21));
  await press(o, "上传");
  await said(o, "文件太大，最大 20.0 MB");
  assert.equal(await o.page.inputValue("#note"), note);
  assert.equal(await o.page.getByRole("button", { name: "上传" }).isEnabled(), true);
});

step("it works without scripts", async () => {
  const plain = await browser.person({ javaScriptEnabled: false });
  await plain.visit(hub, "/login");
  await signIn(plain, password + hq, hq);
  await plain.visit(hub, "/files/new?kind=warehouse&id=SHA");
  await plain.page.fill("#note", note);
  await give(plain, "宏.docx", macros);
  await press(plain, "上传");
  await said(plain, "宏");
  assert.equal(await plain.page.inputValue("#note"), note);
  await plain.page.setInputFiles("#file", large("b.txt", 24));
  await press(plain, "上传");
  await said(plain, "文件太大");
  await give(plain, "收据.txt", Buffer.from("牛奶 12 箱，验收合格\n第二行 <b>\n"));
  await press(plain, "上传");
  await plain.page.waitForURL(/\/files\/file\//);
  await plain.page.getByRole("link", { name: "查看", exact: true }).click();
  assert.match(await plain.page.locator("pre").innerText(), /第二行 <b>/);
  await plain.leave();
});

step("a manager photographs with a telephone", async () => {
  const phone = await browser.person({ hasTouch: true, isMobile: true, viewport: sizes.phone });
  await phone.visit(hub, "/login");
  await signIn(phone, password + manager, manager);
  await phone.visit(hub, "/files");
  await phone.page.getByRole("link", { name: "添加附件" }).click();
  await phone.page.selectOption("#kind", "warehouse");
  await phone.page.fill("#id", "SHA");
  await press(phone, "下一步");
  await phone.page.getByText("或者用手机拍照").waitFor();
  await phone.page.selectOption("#category", "photograph");
  await give(phone, "现场.png", png(300, 200), "image/png", "#photo");
  await press(phone, "上传");
  await phone.page.waitForURL(/\/files\/file\//);
  await phone.page.getByRole("link", { name: "查看", exact: true }).click();
  await phone.page.locator("img.look-picture").waitFor();
  await until("the picture", () => phone.page.locator("img.look-picture").evaluate((e) => e.complete && e.naturalWidth === 300));
  await glance(phone, "file-view-picture", data);
  await phone.leave();
  await m.visit(hub, "/files");
  assert.deepEqual((await m.page.locator("tbody .item-cell a").allInnerTexts()).sort(), ["年度合同.pdf", "收据.txt", "现场.png"].sort()); // items are the company's
  await inspect(m, "files", data);
  await m.page.selectOption("#category", "photograph");
  await press(m, "筛选");
  await m.page.waitForURL(/category=photograph/);
  assert.deepEqual(await m.page.locator("tbody .item-cell a").allInnerTexts(), ["现场.png"]);
});

step("looking is not downloading, and a download asks who it is", async () => {
  await m.visit(hub, "/files?category=contract");
  await m.page.getByRole("link", { name: "年度合同.pdf" }).click();
  assert.equal(await m.page.getByRole("button", { name: "下载" }).count(), 0);
  assert.equal(await m.page.getByRole("button", { name: "销毁附件" }).count(), 0);
  const at = new URL(m.page.url()).pathname, csrf = await m.page.locator("meta[name=csrf]").getAttribute("content");
  const forced = await m.context.request.post(hub + at.replace("file/", "").replace("/files/", "/files/download/"), { form: { csrf }, headers: { origin: hub } });
  assert.equal(forced.status(), 403);

  await rig.stale();
  await o.visit(hub, at);
  await press(o, "下载");
  await o.page.getByRole("heading", { name: "请再次确认是您本人" }).waitFor();
  await o.page.fill("#confirm", password + hq);
  const [file] = await Promise.all([o.page.waitForEvent("download"), press(o, "确认并继续")]);
  assert.equal(file.suggestedFilename(), "年度合同.pdf");
  assert.ok(readFileSync(await file.path()).equals(pdf), "not byte for byte");
});

step("a file is destroyed, and its row stays", async () => {
  await o.visit(hub, "/files?category=photograph");
  await o.page.getByRole("link", { name: "现场.png" }).click();
  await o.page.fill("#reason", "录入错误");
  await press(o, "销毁附件");
  await o.page.getByText("录入错误").waitFor();
  await glance(o, "file-destroyed", data);
  const at = new URL(o.page.url()).pathname;
  assert.equal((await o.visit(hub, at.replace("/file/", "/content/"))).status(), 404);
  const { output } = await rig.call({ do: "hub", args: ["attachment", "check", "--lang", "zh"] });
  assert.match(output, /附件完好：2 个文件.*另有 1 个已销毁/);
});

step("nothing was wrong meanwhile", async () => { for (const who of [m, o, p]) await who.leave(); });
