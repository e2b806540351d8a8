"use strict";
// The editor of a label template. The template is a plain object as the server reads it; forms and frames show it, and
// the server draws it: what is seen is what is printed. The server also says what is wrong, in words.
(function () {
  const byID = (id) => document.getElementById(id);
  const data = JSON.parse(byID("label-data").textContent), texts = data.texts;
  let csrf = document.querySelector("meta[name=csrf]").content;
  const sheet = byID("sheet"), canvas = byID("picture"), boxes = byID("boxes"), list = byID("elements");
  // Where frames lie is a style sheet of its own: attributes would be inline style.
  const places = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, places];
  const step = 0.5;      // mm: what arrow keys and dragging move by
  const leading = 1.15;  // of lines of text, as package label has it
  const pause = 100;     // ms of silence before the picture is drawn anew
  let t = data.template;
  t.elements ??= []; // of a template that a newer program has written
  let values = {};       // of the fields, as they were changed for the preview
  let selected = 0;      // place of an element, -1 for none
  let problem = null;    // {element, message}: why it can not be printed; element from 1, 0 for the label as a whole
  let saved = JSON.stringify(t), before = saved, earlier = [], changedAt = 0;
  let leaving = false;

  const el = (tag, text, name) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (name) e.className = name;
    return e;
  };
  const say = (key, args) => Object.entries(args).reduce((s, [k, v]) => s.replaceAll(`{${k}}`, v), texts[key]);
  const button = (text, act, name = "btn btn-sm") => {
    const b = el("button", text, name);
    b.type = "button";
    b.addEventListener("click", act);
    return b;
  };
  const tidy = (mm) => Math.round(mm * 100) / 100;
  const number = (input) => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : 0);
  const fieldsIn = (content) => [...String(content ?? "").matchAll(/\{([a-z_]+)(!?)\}/g)];
  const gs1 = (e) => data.symbols.some((s) => s.gs1 && s.kind === (e.symbols ?? [])[0]);
  const heightOf = (e) => (e.type === "text" ? e.size * (1 + (Math.max(1, e.lines || 1) - 1) * leading) : e.height);

  // ---- Changes ----

  /** changed is called after every change of the template; whole says that forms and frames must be made anew. */
  function changed(whole) {
    const now = JSON.stringify(t);
    if (now !== before) {
      // What is typed in one go is taken back in one go.
      if (whole || Date.now() - changedAt > 1000 || !earlier.length) earlier.push(before);
      if (earlier.length > 200) earlier.shift();
      changedAt = Date.now();
      before = now;
    }
    if (whole) show();
    else { place(); title(); }
    showStatus();
    redraw();
  }

  function undo() {
    if (!earlier.length) return;
    t = JSON.parse(before = earlier.pop());
    changedAt = 0;
    selected = Math.min(selected, t.elements.length - 1);
    show();
    showStatus();
    redraw();
  }

  const dirty = () => JSON.stringify(t) !== saved;
  const worthSaving = () => dirty() || data.new || data.older || document.querySelector("[data-withdrawn]") !== null;

  function showStatus() {
    const status = byID("status");
    status.dataset.state = problem ? "bad" : dirty() ? "dirty" : "";
    status.textContent = problem ? texts.fix_first : dirty() ? texts.unsaved : worthSaving() ? "" : texts.saved;
    byID("save").disabled = Boolean(problem) || !worthSaving();
    byID("undo").disabled = !earlier.length;
  }

  // ---- The forms ----

  function show() {
    for (const input of byID("head").querySelectorAll("[data-key]")) if (input !== document.activeElement || input.tagName === "SELECT") input.value = t[input.dataset.key] ?? "";
    list.textContent = "";
    t.elements.forEach((e, i) => list.append(item(e, i)));
    if (!t.elements.length) list.append(el("li", texts.no_elements, "empty"));
    frames();
    showProblem();
    showValues();
  }

  const what = (e) => texts[e.type] ?? e.type;

  function item(e, i) {
    const li = el("li"), head = el("div", undefined, "element-head");
    const open = button("", () => choose(i === selected ? -1 : i), "element-open");
    open.append(el("b", `${i + 1} · ${what(e)}`), el("span", e.content ?? ""));
    open.setAttribute("aria-expanded", String(i === selected));
    head.append(open);
    li.append(head);
    li.classList.toggle("on", i === selected);
    if (i === selected) li.append(body(e, i));
    const wrong = el("p", "", "editor-problem element-problem");
    wrong.hidden = true;
    li.append(wrong);
    return li;
  }

  function body(e, i) {
    const box = el("div", undefined, "element-body");
    if (e.type === "text" || e.type === "code") box.append(content(e));
    const grid = el("div", undefined, "fields-2");
    const add = (key, text, by = 0.5) => grid.append(numberField(e, key, text, by));
    add("x", texts.x);
    add("y", texts.y);
    add("width", texts.width);
    if (e.type !== "text") add("height", texts.height, e.type === "line" ? 0.1 : 0.5);
    if (e.type === "text") {
      add("size", texts.size);
      add("lines", texts.lines, 1);
      grid.append(choice("align", texts.align, ["left", "center", "right"].map((a) => [a, texts[a]]), e.align || "left", (v) => { e.align = v; changed(); }));
    }
    if (e.type === "code") {
      [0, 1, 2].forEach((n) => {
        const kinds = data.symbols.map((s) => [s.kind, s.name]);
        grid.append(choice(`symbol-${n}`, texts[`symbol_${n + 1}`], n ? [["", texts.none], ...kinds] : kinds, (e.symbols ?? [])[n] ?? "", (v) => {
          const all = [0, 1, 2].map((m) => (m === n ? v : (e.symbols ?? [])[m]));
          e.symbols = all.filter(Boolean);
          changed(true);
        }));
      });
      add("size", texts.caption);
      add("module", texts.module, 0.05);
    }
    if (e.type === "box") add("stroke", texts.stroke, 0.05);
    const tools = el("div", undefined, "element-tools");
    const up = button(texts.up, () => move(i, -1)), down = button(texts.down, () => move(i, 1));
    up.disabled = i === 0;
    down.disabled = i === t.elements.length - 1;
    tools.append(up, down, button(texts.copy, () => duplicate(i)), button(texts.remove, () => remove(i)));
    box.append(grid, tools);
    return box;
  }

  /** labelled gives an input its label. Only one element's form is open, so ids are unique. */
  function labelled(input, id, text) {
    const div = el("div"), label = el("label", text, "form-label");
    input.id = label.htmlFor = `element-${id}`;
    div.append(label, input);
    return div;
  }

  function numberField(e, key, text, by) {
    const input = el("input", undefined, "form-control");
    input.type = "number";
    input.step = String(by);
    input.min = "0";
    input.setAttribute("inputmode", "decimal");
    input.dataset.element = key;
    input.value = e[key] ?? (key === "lines" ? 1 : 0);
    input.addEventListener("input", () => { e[key] = key === "lines" ? Math.round(number(input)) : number(input); changed(); });
    return labelled(input, key, text);
  }

  function choice(key, text, options, value, act) {
    const select = el("select", undefined, "form-select");
    for (const [v, name] of options) {
      const o = el("option", name);
      o.value = v;
      select.append(o);
    }
    select.value = value;
    select.addEventListener("change", () => { act(select.value); byID(select.id)?.focus(); });
    return labelled(select, key, text);
  }

  function content(e) {
    const input = el("textarea", undefined, "form-control mono");
    input.rows = 2;
    input.maxLength = 500;
    input.spellcheck = false;
    input.value = e.content ?? "";
    input.addEventListener("input", () => { e.content = input.value.replace(/[\r\n]+/g, " "); changed(); showValues(); });
    const div = labelled(input, "content", texts.content);
    div.className = "element-content";
    const inserts = el("div", undefined, "inserts");
    inserts.append(el("span", texts.insert, "quiet"));
    const pieces = gs1(e) ? (data.ais[t.kind] ?? []).map((a) => [`(${a.ai}) ${texts["field_" + a.field]}`, `(${a.ai}){${a.field}}`]) : (data.fields[t.kind] ?? []).map((f) => [texts["field_" + f], `{${f}}`]);
    for (const [name, piece] of pieces) {
      inserts.append(button(name, () => {
        input.setRangeText(piece, input.selectionStart, input.selectionEnd, "end");
        input.focus();
        input.dispatchEvent(new Event("input"));
      }, "btn"));
    }
    div.append(inserts, el("p", gs1(e) ? texts.gs1_hint : texts.text_hint, "form-hint"));
    return div;
  }

  /** title keeps the heading of the open form like its content. */
  function title() {
    const e = t.elements[selected], span = list.children[selected]?.querySelector(".element-open span");
    if (e && span) span.textContent = e.content ?? "";
  }

  function choose(i, scroll) {
    if (i === selected) return;
    selected = i;
    show();
    if (i >= 0) {
      if (scroll) list.children[i].scrollIntoView({ block: "nearest" });
      else list.children[i].querySelector(".element-open").focus({ preventScroll: true });
    }
  }

  function move(i, by) {
    const [e] = t.elements.splice(i, 1);
    t.elements.splice(i + by, 0, e);
    selected = i + by;
    changed(true);
    list.children[selected].querySelector(".element-open").focus();
  }

  function duplicate(i) {
    const e = structuredClone(t.elements[i]);
    e.y = tidy(Math.max(0, Math.min(e.y + 2, t.height - heightOf(e))));
    t.elements.splice(i + 1, 0, e);
    selected = i + 1;
    changed(true);
    list.children[selected].querySelector(".element-open").focus();
  }

  function remove(i) {
    t.elements.splice(i, 1);
    selected = Math.min(i, t.elements.length - 1);
    changed(true);
    (list.children[Math.max(0, selected)].querySelector(".element-open") ?? byID("save")).focus();
  }

  function added(type) {
    const width = tidy(Math.max(10, t.width - 4)), first = (data.fields[t.kind] ?? ["name"])[0];
    const e = { type, x: 2, y: 2, width: Math.min(width, t.width - 2) };
    if (type === "text") Object.assign(e, { size: 4, content: `{${first}}` });
    if (type === "code") Object.assign(e, { height: Math.min(12, t.height - 2), size: 2.5, content: `{${first === "name" ? "sku" : first}}`, symbols: ["code128", "qr"] });
    if (type === "line") e.height = 0.4;
    if (type === "box") Object.assign(e, { height: Math.min(10, t.height - 2), stroke: 0.4 });
    t.elements.push(e);
    selected = t.elements.length - 1;
    changed(true);
    list.children[selected].scrollIntoView({ block: "nearest" });
    list.children[selected].querySelector("textarea,input").focus({ preventScroll: true });
  }

  // ---- Values for the preview ----

  const valueOf = (f) => values[f] ?? data.samples[t.kind]?.[f] ?? "";

  function showValues() {
    const used = (data.fields[t.kind] ?? []).filter((f) => t.elements.some((e) => fieldsIn(e.content).some((m) => m[1] === f)));
    const box = byID("values");
    if (box.dataset.shown === used.join()) return;
    box.dataset.shown = used.join();
    box.textContent = "";
    for (const f of used) {
      const input = el("input", undefined, "form-control");
      input.maxLength = 100;
      input.dataset.field = f;
      input.value = valueOf(f);
      input.addEventListener("input", () => { values[f] = input.value; redraw(); });
      const div = el("div"), label = el("label", texts["field_" + f], "form-label");
      input.id = label.htmlFor = `value-${f}`;
      div.append(label, input);
      box.append(div);
    }
  }

  function setValues(make) {
    values = make ? Object.fromEntries((data.fields[t.kind] ?? []).map((f) => [f, make(f, data.samples[t.kind][f] ?? "")])) : {};
    for (const input of byID("values").querySelectorAll("input")) input.value = valueOf(input.dataset.field);
    redraw();
  }

  /** long returns a value as long as it may get in a warehouse; codes stay what they must be. */
  function long(f, sample) {
    if (["gtin", "sscc", "expiry", "day", "phone", "sender_phone"].includes(f)) return sample;
    if (["lot", "serial"].includes(f)) return "ABCDEFGHIJ1234567890";
    if (f === "quantity") return "12345678";
    if (["sku", "order", "badge", "bin"].includes(f)) return (sample + "-ABCDEFGHIJKLMNOPQRST").slice(0, 20);
    return (sample + " " + sample + " " + sample).slice(0, 60);
  }

  // ---- The preview ----

  let wanted = 0, busy = false, timer = 0;

  function redraw() {
    wanted++;
    clearTimeout(timer);
    timer = setTimeout(draw, pause);
  }

  /** post sends JSON. Who has signed in again in another window goes on here: the new session's token is fetched. */
  async function post(path, body) {
    const send = () => fetch(path, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(body) });
    const res = await send();
    if (res.status !== 403 && res.status !== 401) return res;
    const page = new DOMParser().parseFromString(await (await fetch("/labels")).text(), "text/html");
    const token = page.querySelector("meta[name=csrf]")?.content;
    if (!token || token === csrf) return res;
    csrf = token;
    return send();
  }

  /** refusal reads why the server has refused something. */
  async function refusal(res) {
    if (res.status === 401) return { element: 0, message: texts.session };
    try {
      const { error } = await res.json();
      return { element: Number(error.args?.element ?? 0), message: error.message, code: error.code };
    } catch {
      return { element: 0, message: texts.offline };
    }
  }

  const order = (template) => ({ template, values: Object.fromEntries((data.fields[template.kind] ?? []).map((f) => [f, valueOf(f)])),
    printer: { language: byID("language").value, dpi: Number(byID("dpi").value) } });

  async function draw() {
    if (busy) return;
    busy = true;
    const mine = wanted;
    let warnings = [];
    try {
      const res = await post("/api/v1/labels/preview", order(t));
      if (res.ok) {
        const picture = await createImageBitmap(await res.blob());
        canvas.width = picture.width;
        canvas.height = picture.height;
        canvas.getContext("2d").drawImage(picture, 0, 0);
        picture.close();
        problem = null;
        warnings = JSON.parse(decodeURIComponent(res.headers.get("Stockade-Warnings") ?? "%5B%5D"));
      } else {
        problem = await refusal(res);
      }
    } catch {
      problem = { element: 0, message: texts.offline };
      setTimeout(() => { if (problem?.message === texts.offline) redraw(); }, 3000);
    }
    busy = false;
    if (wanted !== mine) {
      draw();
      return;
    }
    sheet.classList.toggle("stale", Boolean(problem));
    sheet.dataset.drawn = String(mine);
    const warning = byID("warning");
    warning.hidden = !warnings.length;
    warning.textContent = warnings.map((w) => say("element", { n: w.element, what: w.message })).join(" ");
    showProblem();
    showStatus();
  }

  function showProblem() {
    const at = problem ? problem.element - 1 : -1;
    byID("problem").hidden = !problem;
    byID("problem").textContent = !problem ? "" : at >= 0 ? say("element", { n: at + 1, what: problem.message }) : problem.message;
    [...list.children].forEach((li, i) => {
      const wrong = li.querySelector(".element-problem");
      li.classList.toggle("bad", i === at);
      if (wrong) { wrong.hidden = i !== at; wrong.textContent = i === at ? problem.message : ""; }
    });
    [...boxes.children].forEach((b) => b.classList.toggle("bad", Number(b.dataset.at) === at));
  }

  // ---- Frames that are dragged ----

  function frames() {
    boxes.textContent = "";
    t.elements.forEach((e, i) => {
      const b = el("div", undefined, "part");
      b.dataset.at = String(i);
      b.append(el("span", undefined, "grip"));
      b.addEventListener("pointerdown", (ev) => press(ev, i));
      boxes.append(b);
    });
    place();
  }

  /** place puts the frames where the elements are, and their numbers into the open form. */
  function place() {
    const ratio = (t.width || 1) / (t.height || 1), percent = (v, of) => `${of > 0 ? (100 * v) / of : 0}%`;
    const rules = [`#sheet { aspect-ratio: ${ratio}; width: min(100%, calc(var(--sheet) * ${ratio})); }`];
    [...boxes.children].forEach((b, i) => {
      const e = t.elements[i], high = heightOf(e) || 0;
      // What is small lies above what is large, so that both can be reached.
      const above = 900 - Math.min(890, Math.round((890 * e.width * high) / (t.width * t.height || 1)));
      rules.push(`.part[data-at="${i}"] { left: ${percent(e.x, t.width)}; top: ${percent(e.y, t.height)}; width: ${percent(e.width, t.width)}; height: ${percent(high, t.height)}; z-index: ${i === selected ? 1000 : above || 0}; }`);
      b.classList.toggle("on", i === selected);
    });
    places.replaceSync(rules.join("\n"));
    const e = t.elements[selected];
    byID("where").textContent = e ? `${e.x}, ${e.y} · ${e.width} × ${tidy(heightOf(e) || 0)}` : "";
    for (const input of list.querySelectorAll("[data-element]")) if (input !== document.activeElement && e) input.value = e[input.dataset.element] ?? (input.dataset.element === "lines" ? 1 : 0);
  }

  const within = (v, least, most) => Math.min(Math.max(v, least), Math.max(least, most));

  function moved(e, from, dx, dy) {
    e.x = tidy(within(from.x + dx, 0, t.width - e.width));
    e.y = tidy(within(from.y + dy, 0, t.height - heightOf(e)));
  }

  function resized(e, from, dx, dy) {
    e.width = tidy(within(from.width + dx, 1, t.width - e.x));
    if (e.type === "text") e.size = tidy(within(from.size + dy / (heightOf(from) / from.size), 1.5, t.height - e.y));
    else e.height = tidy(within(from.height + dy, e.type === "line" ? 0.2 : e.type === "code" ? 3 : 1, t.height - e.y));
  }

  /** press begins to drag a frame. A finger chooses first and drags then: else nobody could scroll past the picture. */
  function press(ev, i) {
    if (ev.button !== 0) return;
    const before = selected;
    sheet.focus({ preventScroll: true });
    if (before !== i) choose(i, true);
    if (ev.pointerType === "touch" && before !== i) return;
    ev.preventDefault();
    changedAt = 0; // a drag is taken back by itself
    const frame = boxes.children[i], grip = ev.target.classList.contains("grip"), e = t.elements[i], from = structuredClone(e);
    const scale = t.width / sheet.clientWidth; // mm a pixel
    const snap = (px) => Math.round((px * scale) / step) * step;
    const go = (m) => {
      (grip ? resized : moved)(e, from, snap(m.clientX - ev.clientX), snap(m.clientY - ev.clientY));
      changed();
    };
    const end = () => {
      frame.removeEventListener("pointermove", go);
      changedAt = 0;
    };
    frame.setPointerCapture(ev.pointerId);
    frame.addEventListener("pointermove", go);
    frame.addEventListener("pointerup", end, { once: true });
    frame.addEventListener("pointercancel", end, { once: true });
  }

  sheet.addEventListener("keydown", (ev) => {
    const e = t.elements[selected], way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[ev.key];
    if (!e || !way || ev.ctrlKey || ev.metaKey || ev.altKey) return;
    ev.preventDefault();
    (ev.shiftKey ? resized : moved)(e, structuredClone(e), way[0] * step, way[1] * step);
    changed();
  });

  // ---- Saving, files, leaving ----

  async function save() {
    byID("save").disabled = true;
    let res;
    try {
      res = await post("/api/v1/labels", { id: t.id, template: t, base: data.base, new: data.new });
    } catch {
      problem = { element: 0, message: texts.offline };
    }
    if (res?.ok) {
      const { id, version } = await res.json();
      leaving = true;
      location.assign(`/labels/${encodeURIComponent(id)}?saved=${version}`);
      return;
    }
    if (res) problem = await refusal(res);
    showProblem();
    byID("problem").scrollIntoView({ block: "nearest" });
    byID("status").dataset.state = "bad";
    byID("status").textContent = problem.message;
    problem = problem.element ? problem : null; // said; the template itself may be in order
    byID("save").disabled = Boolean(problem);
  }

  /** take reads a template from a file: what the server can not read as one is not taken. */
  // Of files that are chosen one after the other the last one counts, whichever answer comes first.
  let takes = 0;
  async function take(file) {
    const mine = ++takes;
    const refuse = (why) => { problem = why; showProblem(); };
    let found = null;
    try {
      found = JSON.parse(await file.text());
    } catch {
      // said below
    }
    if (mine !== takes) return undefined;
    if (!Array.isArray(found?.elements) || !found.elements.every((e) => e && typeof e === "object")) return refuse({ element: 0, message: texts.not_json });
    const res = await post("/api/v1/labels/preview", order(found)).catch(() => null);
    const why = !res || res.ok ? null : await refusal(res);
    if (mine !== takes) return undefined;
    if (!res) return refuse({ element: 0, message: texts.offline });
    if (why && ["label.template_unreadable", "label.template_large", "label.bad_kind"].includes(why.code)) return refuse({ ...why, element: 0 });
    found.id = data.new && found.id ? found.id : t.id;
    t = found;
    selected = t.elements.length ? 0 : -1;
    values = {};
    byID("values").dataset.shown = "?";
    return changed(true);
  }

  function give() {
    const link = el("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(t, null, 2) + "\n"], { type: "application/json" }));
    link.download = `label-${t.id || "new"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  byID("head").addEventListener("input", (ev) => {
    const input = ev.target, key = input.dataset.key;
    if (!key) return;
    t[key] = input.type === "number" ? number(input) : input.value;
    if (key === "kind") { values = {}; byID("values").dataset.shown = "?"; }
    changed(key === "kind");
  });
  document.querySelectorAll("[data-add]").forEach((b) => b.addEventListener("click", () => added(b.dataset.add)));
  for (const id of ["language", "dpi"]) byID(id).addEventListener("change", redraw);
  byID("samples-long").addEventListener("click", () => setValues(long));
  byID("samples-few").addEventListener("click", () => {
    const needed = new Set(t.elements.flatMap((e) => fieldsIn(e.content)).filter((m) => m[2]).map((m) => m[1]));
    setValues((f, sample) => (needed.has(f) ? sample : ""));
  });
  byID("samples-reset").addEventListener("click", () => setValues(null));
  byID("save").addEventListener("click", save);
  byID("undo").addEventListener("click", undo);
  byID("export").addEventListener("click", give);
  byID("import").addEventListener("change", (ev) => { if (ev.target.files[0]) take(ev.target.files[0]); ev.target.value = ""; });
  document.addEventListener("keydown", (ev) => {
    if (!(ev.ctrlKey || ev.metaKey) || ev.altKey) return;
    if (ev.key === "s") { ev.preventDefault(); if (!byID("save").disabled) save(); }
    if (ev.key === "z" && !ev.shiftKey && !/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName)) { ev.preventDefault(); undo(); }
  });
  window.addEventListener("beforeunload", (ev) => {
    if (leaving || !dirty()) return;
    ev.preventDefault();
    ev.returnValue = texts.leave;
  });
  show();
  showStatus();
  redraw();
})();
