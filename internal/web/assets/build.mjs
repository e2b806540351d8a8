// Fills dist with what the pages use of the npm packages: htmx as it is, and of Tabler's
// style sheet the rules for the classes and elements that our pages name. What is left out
// is also what our content security policy would refuse (images inside the sheet). The barcode
// reader for cameras goes where only the edge embeds it.
//
// Run by "make assets"; needs node_modules. Output depends on nothing but its inputs.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");
const modules = process.argv[2] ?? join(root, "node_modules");
const dist = join(here, "dist");
const edgeDist = join(root, "edge/dashboard/assets/dist");
const hubDist = join(root, "hub/dashboard/assets/dist");

/** files returns all files with one of the endings below a folder. */
function files(folder, endings) {
  let found = [];
  for (const e of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, e.name);
    if (e.isDirectory()) found = found.concat(files(path, endings));
    else if (endings.some((x) => e.name.endsWith(x))) found.push(path);
  }
  return found;
}

/** parse splits a style sheet into rules: {head, body} with nested rules in body for @media and the like. */
function parse(css) {
  const rules = [];
  let i = 0;
  while (i < css.length) {
    const open = css.indexOf("{", i);
    const semi = css.indexOf(";", i);
    if (semi >= 0 && (open < 0 || semi < open)) { i = semi + 1; continue; } // @charset, @import
    if (open < 0) break;
    let depth = 1, j = open + 1;
    for (; depth > 0 && j < css.length; j++) {
      if (css[j] === '"' || css[j] === "'") j = closing(css, j);
      else if (css[j] === "{") depth++;
      else if (css[j] === "}") depth--;
    }
    const head = css.slice(i, open).trim(), inner = css.slice(open + 1, j - 1);
    rules.push(/^@(media|supports|layer|container)/.test(head) ? { head, rules: parse(inner) } : { head, body: inner });
    i = j;
  }
  return rules;
}

function closing(css, at) {
  let j = at + 1;
  while (css[j] !== css[at]) j += css[j] === "\\" ? 2 : 1;
  return j;
}

/** split cuts text at a separator outside brackets and strings. */
function split(text, separator) {
  const parts = [];
  let depth = 0, from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"' || c === "'") i = closing(text, i);
    else if (c === "(" || c === "[") depth++;
    else if (c === ")" || c === "]") depth--;
    else if (c === separator && depth === 0) { parts.push(text.slice(from, i)); from = i + 1; }
  }
  parts.push(text.slice(from));
  return parts.map((p) => p.trim()).filter(Boolean);
}

const wordsOf = (paths) => new Set(paths.flatMap((p) => readFileSync(p, "utf8").match(/[A-Za-z][\w-]*/g) ?? []));

/** wanted tells whether every class and attribute that a selector names is used by our pages. */
function wanted(selector, words) {
  const plain = selector.replace(/:not\([^)]*\)/g, "");
  if (/\[data-bs-|\.no-js|::-webkit-calendar|\.apexcharts|\.tox-|\.ts-|\.fslightbox/.test(plain)) return false;
  return (plain.match(/\.[A-Za-z][\w-]*/g) ?? []).every((c) => words.has(c.slice(1)));
}

function trim(rules, words) {
  const kept = [];
  for (const r of rules) {
    if (r.rules) {
      const inner = trim(r.rules, words);
      if (inner.length) kept.push({ head: r.head, rules: inner });
    } else if (r.head.startsWith("@font-face") || r.head.startsWith("@keyframes") || r.head.startsWith("@page")) {
      continue;
    } else {
      const head = split(r.head, ",").filter((s) => wanted(s, words));
      const body = split(r.body, ";").filter((d) => !/url\(|^animation/.test(d));
      if (head.length && body.length) kept.push({ head: head.join(","), body });
    }
  }
  return kept;
}

const isProperty = (d) => d.startsWith("--");
const declarations = (rules) => rules.flatMap((r) => (r.rules ? declarations(r.rules) : r.body));

/** dropUnused removes custom properties that nothing reads, until none is left. */
function dropUnused(rules, alsoReadBy) {
  for (;;) {
    const read = new Set(declarations(rules).concat(alsoReadBy).flatMap((d) => [...d.matchAll(/var\(\s*(--[\w-]+)/g)].map((m) => m[1])));
    let dropped = 0;
    const walk = (list) => list.filter((r) => {
      if (r.rules) return (r.rules = walk(r.rules)).length > 0;
      const before = r.body.length;
      r.body = r.body.filter((d) => !isProperty(d) || read.has(d.slice(0, d.indexOf(":")).trim()));
      dropped += before - r.body.length;
      return r.body.length > 0;
    });
    rules = walk(rules);
    if (dropped === 0) return rules;
  }
}

const print = (rules) => rules.map((r) => `${r.head}{${r.rules ? print(r.rules) : r.body.join(";")}}`).join("\n");

const ours = ["internal/web", "edge", "hub"].map((d) => join(root, d));
const own = (p) => ![dist, edgeDist, hubDist].some((d) => p.startsWith(d));
const words = wordsOf(ours.flatMap((d) => files(d, [".html", ".js"])).filter(own));
const ownSheets = ours.flatMap((d) => files(d, [".css"])).filter(own).map((p) => readFileSync(p, "utf8"));

const kit = join(modules, "@tabler/core");
const source = readFileSync(join(kit, "dist/css/tabler.min.css"), "utf8");
const notice = source.match(/\/\*![\s\S]*?\*\//)[0];
const sheet = print(dropUnused(trim(parse(source.replace(/\/\*[\s\S]*?\*\//g, "")), words), ownSheets));

const htmx = join(modules, "htmx.org");
const version = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:
The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

const zxing = join(modules, "zxing-wasm");
const apache = readFileSync(join(root, "LICENSE"), "utf8");
const bsd = `Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the documentation
and/or other materials provided with the distribution.
3. Neither the name of the project nor the names of its contributors may be used to endorse or promote products derived from this software without
specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE
FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR
TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.`;

for (const d of [dist, edgeDist, hubDist]) mkdirSync(d, { recursive: true });
// What shows PDF files: the library, its worker, decoders of pictures, encodings of Chinese documents that bring no fonts, and the fonts that every PDF may take for granted.
const pdf = join(modules, "pdfjs-dist");
const pdfParts = [
  ["legacy/build/pdf.min.mjs", "pdf.js"], ["legacy/build/pdf.worker.min.mjs", "pdf.worker.js"], ["wasm/jbig2.wasm"], ["wasm/openjpeg.wasm"],
  ...readdirSync(join(pdf, "cmaps")).filter((f) => /^(GB|UniGB|Adobe-GB1).*\.bcmap$/.test(f)).map((f) => [`cmaps/${f}`]),
  ...readdirSync(join(pdf, "standard_fonts")).filter((f) => f.startsWith("Foxit")).map((f) => [`standard_fonts/${f}`]),
];
for (const [from, to] of pdfParts) writeFileSync(join(hubDist, to ?? basename(from)), readFileSync(join(pdf, from)));
writeFileSync(join(edgeDist, "zxing_reader.js"), readFileSync(join(zxing, "dist/iife/reader/index.js")));
writeFileSync(join(edgeDist, "zxing_reader.wasm"), readFileSync(join(zxing, "dist/reader/zxing_reader.wasm")));
writeFileSync(join(dist, "tabler.css"), notice + "\n" + sheet + "\n");
writeFileSync(join(dist, "htmx.min.js"), readFileSync(join(htmx, "dist/htmx.min.js")));
writeFileSync(join(dist, "licences.txt"), [
  `Tabler ${version(kit)} (parts of its style sheet), MIT licence`, notice.replace(/^\/\*!|\*\/$/g, "").trim(), mit, "",
  `htmx ${version(htmx)}`, readFileSync(join(htmx, "LICENSE"), "utf8"),
  `zxing-wasm ${version(zxing)} (the barcode reader of the station page)`, readFileSync(join(zxing, "LICENSE"), "utf8"),
  "It holds zxing-cpp, by its authors and those of ZXing, under the Apache License 2.0; libzueci, Copyright (C) 2022 gitlost, and what came from Zint, by Robin Stuart and others, under the BSD 3-Clause",
  "licence; and a UTF-8 decoder, Copyright (c) 2008-2009 Bjoern Hoehrmann <bjoern@hoehrmann.de>, under the MIT licence above.", "", bsd, "", apache, "",
  `PDF.js ${version(pdf)} (shows PDF files at the hub), Copyright Mozilla Foundation, under the Apache License 2.0 above. It holds, under the licences that follow: decoders of PDFium and OpenJPEG, fonts of PDFium, and Adobe's CMaps.`,
  ...["wasm/LICENSE_JBIG2", "wasm/LICENSE_OPENJPEG", "standard_fonts/LICENSE_FOXIT", "cmaps/LICENSE"].map((f) => readFileSync(join(pdf, f), "utf8")),
].join("\n"));
console.log(`assets: tabler.css ${sheet.length} bytes of ${source.length}, for ${words.size} words in pages`);
