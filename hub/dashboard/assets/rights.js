"use strict";
// The editor of roles and rights: a table of roles and permissions, with a panel for a cell or a role. Whatever is changed is kept at
// the server as a draft, role by role; nothing counts until the changes were looked at and saved.
(function () {
  const byID = (id) => document.getElementById(id);
  const data = JSON.parse(byID("rights-data").textContent), texts = data.texts;
  const csrf = document.querySelector("meta[name=csrf]").content;
  const table = byID("matrix"), panel = byID("panel"), pick = byID("role-pick"), narrow = window.matchMedia("(max-width: 820px)");
  const saved = new Map(data.saved.map((r) => [r.id, r])), ready = new Map(data.ready.map((r) => [r.id, r]));
  const titles = new Map(data.groups.flatMap((g) => g.permissions.map((p) => [p.id, p])));
  let roles = data.roles, shown = roles[0]?.id ?? "", at = { role: 0, row: 0 }, rev = data.rev;
  const rows = []; // {tr, id, cells: [button by role]}

  const el = (tag, text, name) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (name) e.className = name;
    return e;
  };
  const say = (key, args = {}) => Object.entries(args).reduce((s, [k, v]) => s.replaceAll(`{${k}}`, v), texts[key]);
  const button = (text, act, name = "btn") => {
    const b = el("button", text, name);
    b.type = "button";
    b.addEventListener("click", act);
    return b;
  };
  const copy = (v) => JSON.parse(JSON.stringify(v));
  const named = (r) => (data.lang === "en" ? r.en : r.zh);
  const holders = (r) => data.holders[r.id] ?? [];

  // ---- What a cell says ----

  const order = (g) => [g.p, Object.entries(g.f ?? {}).filter(([, a]) => a > 0).sort(), g.reach, g.places ?? [], g.whose, g.stepup ?? 0, g.nets ?? [], g.hours ?? []];
  const key = (grants) => JSON.stringify(grants.map(order).map((g) => JSON.stringify(g)).sort());
  const of = (r, p) => r.grants.filter((g) => g.p === p);
  const changed = (r, p) => key(of(r, p)) !== key(saved.has(r.id) ? of(saved.get(r.id), p) : []);
  const roleChanged = (r) => {
    const was = saved.get(r.id);
    return !was || was.zh !== r.zh || was.en !== r.en || key(was.grants) !== key(r.grants);
  };

  /** index gives the grants of each permission of a role, so that a table is drawn in one pass. */
  function index(r) {
    const m = new Map();
    for (const g of r?.grants ?? []) {
      if (m.has(g.p)) m.get(g.p).push(g); else m.set(g.p, [g]);
    }
    return m;
  }

  function words(grants) {
    if (!grants.length) return "";
    if (grants.length > 1) return say("cell_many", { count: grants.length });
    const g = grants[0];
    if (g.whose === 1) return [, texts.cell_all, texts.cell_home, (g.places ?? []).join(" ") || texts.cell_listed][g.reach];
    return g.whose & 2 ? texts.cell_own : texts.cell_customers;
  }
  const limited = (grants) => grants.some((g) => g.stepup || g.nets?.length || g.hours?.length);

  function draw(cell, r, p, grants, was) {
    const text = words(grants), full = text || texts.none, more = limited(grants) ? `，${texts.conditions}` : "";
    cell.textContent = text;
    cell.className = "cell" + (grants.length ? grants.some((g) => g.reach === 1 && g.whose === 1) ? " is-all" : " is-some" : "") + (more ? " is-limited" : "") + (key(grants) === key(was) ? "" : " is-changed");
    cell.setAttribute("aria-label", `${named(r)}：${titles.get(p)?.title ?? p}：${full}${more}`);
  }

  // ---- The table ----

  const columns = () => (narrow.matches ? roles.filter((r) => r.id === shown) : roles);

  function build() {
    const list = columns(), find = byID("find").value.trim().toLowerCase(), only = byID("only-changed").checked;
    const now = list.map(index), before = list.map((r) => index(saved.get(r.id)));
    rows.length = 0;
    const head = el("thead"), top = el("tr"), body = el("tbody");
    top.append(el("td", "", "corner"));
    for (const r of list) {
      const th = el("th"), b = button(named(r), () => openRole(r), "role-head" + (roleChanged(r) ? " is-changed" : ""));
      th.scope = "col";
      b.append(el("small", holders(r).length ? say("people_have", { count: holders(r).length }) : texts.nobody_has));
      b.title = say("edit_role", { role: named(r) });
      th.append(b);
      top.append(th);
    }
    head.append(top);
    for (const g of data.groups) {
      const trs = [];
      for (const p of g.permissions) {
        if (find && !p.title.toLowerCase().includes(find) && !p.id.includes(find)) continue;
        if (only && !list.some((r, i) => key(now[i].get(p.id) ?? []) !== key(before[i].get(p.id) ?? []))) continue;
        const tr = el("tr"), th = el("th", p.title), row = { id: p.id, cells: [], list };
        th.scope = "row";
        if (p.privileged) {
          const mark = el("span", "!", "tag tag-warn");
          mark.title = texts.privileged;
          mark.setAttribute("role", "img");
          mark.setAttribute("aria-label", texts.privileged);
          th.append(" ", mark);
        }
        tr.append(th);
        list.forEach((r, i) => {
          const td = el("td"), b = el("button");
          b.type = "button";
          b.tabIndex = -1;
          draw(b, r, p.id, now[i].get(p.id) ?? [], before[i].get(p.id) ?? []);
          td.append(b);
          tr.append(td);
          row.cells.push(b);
        });
        rows.push(row);
        trs.push(tr);
      }
      if (!trs.length) continue;
      const tr = el("tr", undefined, "group"), th = el("th", g.title);
      th.colSpan = list.length + 1;
      th.scope = "colgroup";
      tr.append(th);
      body.append(tr, ...trs);
    }
    table.replaceChildren(head, body);
    at.row = Math.min(at.row, Math.max(0, rows.length - 1));
    at.role = Math.min(at.role, Math.max(0, list.length - 1));
    const cell = rows[at.row]?.cells[at.role];
    if (cell) cell.tabIndex = 0;
    pick.replaceChildren(...roles.map((r) => {
      const o = el("option", named(r));
      o.value = r.id;
      o.selected = r.id === shown;
      return o;
    }));
    restores();
  }

  function redraw(r) {
    const n = columns().findIndex((c) => c.id === r.id), now = index(r), was = index(saved.get(r.id));
    if (n < 0) return;
    for (const row of rows) draw(row.cells[n], r, row.id, now.get(row.id) ?? [], was.get(row.id) ?? []);
    table.tHead.rows[0].cells[n + 1].firstChild.classList.toggle("is-changed", roleChanged(r));
  }

  function go(row, role) {
    const old = rows[at.row]?.cells[at.role], cell = rows[row]?.cells[role];
    if (!cell) return;
    if (old) old.tabIndex = -1;
    at = { row, role };
    cell.tabIndex = 0;
    cell.focus();
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const place = (cell) => {
    const row = rows.findIndex((r) => r.cells.includes(cell));
    return { row, role: rows[row]?.cells.indexOf(cell) ?? -1 };
  };

  table.addEventListener("click", (e) => {
    const cell = e.target.closest("button.cell");
    if (!cell) return;
    const p = place(cell);
    go(p.row, p.role);
    openCell(columns()[p.role], rows[p.row].id);
  });

  table.addEventListener("keydown", (e) => {
    if (!e.target.classList.contains("cell") || e.ctrlKey || e.altKey || e.metaKey) return;
    const { row, role } = place(e.target), last = columns().length - 1;
    const moves = { ArrowUp: [row - 1, role], ArrowDown: [row + 1, role], ArrowLeft: [row, role - 1], ArrowRight: [row, role + 1], Home: [row, 0], End: [row, last], PageUp: [Math.max(0, row - 10), role], PageDown: [Math.min(rows.length - 1, row + 10), role] };
    if (moves[e.key]) {
      e.preventDefault();
      go(...moves[e.key]);
      return;
    }
    const r = columns()[role], p = rows[row].id;
    if (e.key === " ") {
      e.preventDefault(); // a button would be pressed
      if (data.may) cycle(r, p);
    } else if ((e.key === "Delete" || e.key === "Backspace") && data.may) {
      e.preventDefault();
      put(r, p, []);
    }
  });
  // A button takes the space key when it is let go.
  table.addEventListener("keyup", (e) => { if (e.key === " " && e.target.classList.contains("cell")) e.preventDefault(); });

  // ---- Changes ----

  const steps = [[], [2, 1], [1, 1], [1, 2]]; // reach, whose

  /** cycle goes on to the next of the usual scopes; fields and conditions stay. */
  function cycle(r, p) {
    const grants = of(r, p);
    const n = grants.length ? steps.findIndex(([reach, whose]) => reach === grants[0].reach && whose === grants[0].whose) : 0;
    const [reach, whose] = steps[(n + 1) % steps.length];
    put(r, p, reach ? [{ ...(grants[0] ?? saved.get(r.id)?.grants.find((g) => g.p === p) ?? { p }), reach, whose, places: undefined }] : []);
  }

  function put(r, p, grants) {
    r.grants = [...r.grants.filter((g) => g.p !== p), ...grants];
    touched(r);
  }

  function touched(r) {
    redraw(r);
    waiting.set(r.id, r);
    send();
  }

  const waiting = new Map(); // role ids whose state is to be sent: the role, or null for one that was deleted
  let sending = false, stopped = false, trouble = "";

  async function send() {
    if (sending || stopped) return;
    sending = true;
    while (waiting.size) {
      status();
      const [id, r] = waiting.entries().next().value;
      waiting.delete(id);
      const order = { base: data.base, rev, ...(r ? { role: r } : { remove: id }) };
      let answer;
      try {
        answer = await fetch("/api/v1/rights/draft", { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(order) });
      } catch {
        if (!waiting.has(id)) waiting.set(id, r);
        trouble = texts.offline;
        status();
        await new Promise((again) => setTimeout(again, 3000));
        continue;
      }
      trouble = "";
      const said = await answer.json().catch(() => ({}));
      if (answer.ok) {
        rev = said.rev;
        continue;
      }
      trouble = answer.status === 401 ? texts.session : said.error?.message ?? texts.offline;
      if (answer.status === 401 || answer.status === 403 || answer.status === 409) {
        stopped = true;
        break;
      }
      refused.add(id);
      status();
      sending = false;
      return; // what was refused is sent again once it is changed
    }
    sending = false;
    status();
  }
  const refused = new Set();

  function status() {
    const s = byID("status"), count = roles.filter(roleChanged).length + [...saved.keys()].filter((id) => !roles.some((r) => r.id === id)).length;
    s.className = trouble ? "is-bad" : count ? "is-dirty" : "quiet";
    s.textContent = trouble || (waiting.size ? texts.saving : count ? say("unsaved", { count }) : texts.kept);
    if (stopped) {
      const a = el("a", texts.reload);
      a.href = "/rights";
      s.append(" ", a);
    }
    byID("review").hidden = !data.may || (!count && !trouble);
    byID("review").classList.toggle("disabled", Boolean(trouble));
    s.dataset.state = trouble ? "bad" : sending || waiting.size ? "sending" : "still";
    const note = panel.open && panel.querySelector(".panel-problem");
    if (note) {
      note.textContent = trouble;
      note.hidden = !trouble;
    }
  }

  byID("review").addEventListener("click", (e) => {
    if (trouble) e.preventDefault();
    else if (sending || waiting.size) {
      e.preventDefault();
      const wait = () => (trouble ? 0 : sending || waiting.size ? setTimeout(wait, 50) : location.assign("/rights/changes"));
      wait();
    }
  });
  window.addEventListener("beforeunload", (e) => { if ((sending || waiting.size) && !stopped) e.preventDefault(); });

  // ---- The panel ----

  let back = null;
  function open(title, ...parts) {
    back = document.activeElement;
    const h = el("h2", title), problem = el("p", "", "alert alert-danger panel-problem");
    h.id = "panel-title";
    problem.setAttribute("role", "alert");
    problem.hidden = true;
    const foot = el("p", undefined, "buttons"), close = button(texts.close, () => panel.close(), "btn btn-primary");
    foot.append(close);
    panel.replaceChildren(h, problem, ...parts, foot);
    if (!panel.open) panel.showModal();
    return foot;
  }
  panel.addEventListener("close", () => { if (back?.isConnected) back.focus(); else rows[at.row]?.cells[at.role]?.focus(); });
  panel.addEventListener("click", (e) => { if (e.target === panel) panel.close(); });

  let names = 0;
  function field(label, input, hint) {
    const d = el("div"), l = el("label", label, "form-label");
    input.id = l.htmlFor = `f${++names}`;
    d.append(l, input);
    if (hint) {
      const h = el("p", hint, "form-hint");
      h.id = input.id + "-hint";
      input.setAttribute("aria-describedby", h.id);
      d.append(h);
    }
    return d;
  }
  function select(options, value, act) {
    const s = el("select", undefined, "form-select");
    for (const [v, text] of options) {
      const o = el("option", text);
      o.value = v;
      o.selected = String(v) === String(value);
      s.append(o);
    }
    s.addEventListener("change", () => act(Number(s.value)));
    return s;
  }
  const numbered = (key, list) => list.map((n) => [n, texts[`${key}_${n}`]]);

  function openCell(r, p) {
    const grants = copy(of(r, p)), set = () => { put(r, p, copy(grants)); };
    const again = () => openCell(r, p);
    const parts = [];
    grants.forEach((g, n) => {
      const f = el("fieldset", undefined, "rule"), legend = el("legend", grants.length > 1 ? say("rule", { number: n + 1 }) : "", grants.length > 1 ? "" : "visually-hidden");
      legend.textContent ||= say("rule", { number: 1 });
      f.disabled = !data.may;
      const scope = el("div", undefined, "fields-2");
      scope.append(
        field(texts.reach, select(numbered("reach", [1, 2, 3]), g.reach, (v) => { g.reach = v; g.places = v === 3 ? data.places.slice(0, 1) : undefined; set(); again(); })),
        field(texts.whose, select(numbered("whose", [1, 2, 4, 6]), g.whose, (v) => { g.whose = v; set(); })));
      f.append(legend, scope);
      if (g.reach === 3) {
        const input = el("input", undefined, "form-control mono");
        input.value = (g.places ?? []).join(" ");
        input.spellcheck = false;
        input.addEventListener("change", () => { g.places = input.value.toUpperCase().split(/[\s,，、;；]+/).filter(Boolean); set(); });
        f.append(field(texts.places, input));
      }
      f.append(fieldsOf(g, set, again), conditionsOf(g, set, again));
      if (grants.length > 1) f.append(button(texts.remove_rule, () => { grants.splice(n, 1); set(); again(); }, "btn btn-sm"));
      parts.push(f);
    });
    if (!grants.length) parts.push(el("p", texts.none, "quiet"));
    const foot = open(`${named(r)} · ${titles.get(p)?.title ?? p}`, ...parts);
    if (data.may) {
      foot.append(button(grants.length ? texts.add_rule : texts.cell_home, () => { grants.push({ p, reach: 2, whose: 1 }); set(); again(); }));
      if (!grants.length) foot.append(button(texts.cell_all, () => { grants.push({ p, reach: 1, whose: 1 }); set(); again(); }), button(texts.cell_own, () => { grants.push({ p, reach: 1, whose: 2 }); set(); again(); }));
      else foot.append(button(texts.take_away, () => { put(r, p, []); panel.close(); }, "btn btn-danger"));
    }
    status();
  }

  function fieldsOf(g, set, again) {
    const d = el("details", undefined, "part"), box = el("div", undefined, "fields-2"), levels = numbered("access", [0, 1, 2, 3]);
    const open = Object.values(g.f ?? {}).filter((a) => a > 0).length;
    d.open = open > 0 || fieldsOf.open;
    d.addEventListener("toggle", () => { fieldsOf.open = d.open; });
    d.append(el("summary", texts.fields + (open ? ` (${open})` : "")));
    box.append(field(texts.all_fields, select([[-1, "—"], ...levels], -1, (v) => {
      if (v < 0) return;
      g.f = Object.fromEntries(data.classes.map((c) => [c.id, v]));
      set();
      again();
    })));
    for (const c of data.classes) {
      box.append(field(c.title, select(levels, g.f?.[c.id] ?? 0, (v) => {
        g.f = { ...g.f, [c.id]: v };
        if (!v) delete g.f[c.id];
        set();
      })));
    }
    d.append(box);
    return d;
  }

  function conditionsOf(g, set, again) {
    const d = el("details", undefined, "part"), step = el("input", undefined, "form-control"), nets = el("textarea", undefined, "form-control mono");
    d.open = Boolean(g.stepup || g.nets?.length || g.hours?.length) || conditionsOf.open;
    d.addEventListener("toggle", () => { conditionsOf.open = d.open; });
    Object.assign(step, { type: "number", min: 0, max: 1440, step: 1, value: Math.ceil((g.stepup ?? 0) / 60) });
    step.addEventListener("change", () => { g.stepup = Math.max(0, Math.round((step.valueAsNumber || 0) * 60)); set(); });
    Object.assign(nets, { rows: 2, value: (g.nets ?? []).join("\n"), spellcheck: false });
    nets.addEventListener("change", () => { g.nets = nets.value.split(/[\s,，、;；]+/).filter(Boolean); set(); });
    const hours = el("fieldset", undefined, "hours"), legend = el("legend", texts.hours, "form-label");
    hours.append(legend, el("p", texts.hours_hint, "form-hint"));
    (g.hours ?? []).forEach((h, n) => {
      const [, days, from, to] = /^(\d*) (\d\d:\d\d)-(\d\d:\d\d)$/.exec(h) ?? [, "12345", "08:00", "18:00"];
      const row = el("div", undefined, "hours-row"), state = { days, from, to };
      const write = () => { g.hours[n] = `${state.days} ${state.from}-${state.to}`; set(); };
      for (let day = 1; day <= 7; day++) {
        const l = el("label", undefined, "day"), box = el("input");
        box.type = "checkbox";
        box.checked = days.includes(day);
        box.addEventListener("change", () => {
          state.days = [1, 2, 3, 4, 5, 6, 7].filter((d) => (d === day ? box.checked : state.days.includes(d))).join("");
          write();
        });
        l.append(box, texts[`day_${day}`]);
        row.append(l);
      }
      for (const end of ["from", "to"]) {
        const input = el("input", undefined, "form-control");
        input.type = "time";
        input.value = state[end] === "24:00" ? "00:00" : state[end];
        input.setAttribute("aria-label", texts[end]);
        input.addEventListener("change", () => { state[end] = end === "to" && input.value === "00:00" ? "24:00" : input.value; write(); });
        row.append(input);
      }
      row.append(button(texts.remove, () => { g.hours.splice(n, 1); set(); again(); }, "btn btn-sm"));
      hours.append(row);
    });
    hours.append(button(texts.add_hours, () => { g.hours = [...(g.hours ?? []), "12345 08:00-18:00"]; set(); again(); }, "btn btn-sm"));
    d.append(el("summary", texts.conditions), field(texts.stepup, step, texts.stepup_hint), field(texts.networks, nets, texts.networks_hint), hours);
    return d;
  }

  function openRole(r) {
    const box = el("fieldset", undefined, "fields-2 rule");
    box.disabled = !data.may;
    for (const key of ["zh", "en"]) {
      const input = el("input", undefined, "form-control");
      input.value = r[key];
      input.maxLength = 40;
      input.addEventListener("change", () => {
        r[key] = input.value.trim();
        waiting.set(r.id, r);
        send();
        build();
      });
      box.append(field(texts[`name_${key}`], input));
    }
    const have = holders(r), who = el("p", undefined, "holders");
    who.append(have.length ? say("people_have", { count: have.length }) + " " : texts.nobody_has, ...have.slice(0, 40).flatMap((n) => [el("span", n, "tag"), " "]));
    const foot = open(say("edit_role", { role: named(r) }), box, el("p", say("grants", { count: r.grants.length }) + (roleChanged(r) ? ` · ${texts.changed}` : ""), "quiet"), who);
    if (!data.may) return;
    foot.append(button(texts.copy_role, () => { panel.close(); add({ ...copy(r), zh: clip(texts.copy_of_zh, r.zh), en: clip(texts.copy_of_en, r.en) }); }));
    const was = ready.get(r.id);
    if (was && (was.zh !== r.zh || was.en !== r.en || key(was.grants) !== key(r.grants))) {
      foot.append(button(texts.restore_role, () => {
        Object.assign(r, copy(was));
        touched(r);
        build();
        openRole(r);
      }));
    }
    const del = button(texts.delete_role, () => {
      roles = roles.filter((x) => x !== r);
      shown = roles[0]?.id ?? "";
      waiting.set(r.id, null);
      panel.close();
      build();
      send();
    }, "btn btn-danger");
    del.disabled = have.length > 0;
    foot.append(del);
    if (have.length) foot.append(el("span", say("delete_held", { count: have.length }), "form-hint"));
    status();
  }

  const clip = (text, role) => text.replace("{role}", role.slice(0, 34));
  /** free returns a name that no role has yet. */
  function free(name, lang) {
    for (let n = 1; ; n++) {
      const next = n === 1 ? name : `${name} ${n}`;
      if (!roles.some((r) => r[lang].toLowerCase() === next.toLowerCase())) return next;
    }
  }
  function add(r) {
    const bytes = crypto.getRandomValues(new Uint8Array(6)); // never the id of a role that there was: nobody may get rights by it
    r.id = "role-" + [...bytes].map((b) => b.toString(36).padStart(2, "0")).join("");
    r.zh = free(r.zh, "zh");
    r.en = free(r.en, "en");
    roles.push(r);
    shown = r.id;
    at.role = narrow.matches ? 0 : roles.length - 1;
    build();
    touched(r);
    openRole(r);
  }
  byID("new-role")?.addEventListener("click", () => add({ zh: texts.new_role_zh, en: texts.new_role_en, grants: [] }));

  /** restores offers the ready roles that are not there. */
  function restores() {
    const room = byID("restore-room"), missing = data.ready.filter((r) => !roles.some((x) => x.id === r.id));
    if (!room) return;
    room.replaceChildren();
    if (!missing.length) return;
    const s = el("select", undefined, "form-select");
    s.setAttribute("aria-label", texts.restore_missing);
    s.append(el("option", texts.restore_missing), ...missing.map((r) => {
      const o = el("option", named(r));
      o.value = r.id;
      return o;
    }));
    s.addEventListener("change", () => {
      const r = copy(ready.get(s.value));
      roles.push(r);
      build();
      touched(r);
    });
    room.append(s);
  }

  pick.addEventListener("change", () => { shown = pick.value; build(); });
  byID("find").addEventListener("input", build);
  byID("only-changed").addEventListener("change", build);
  narrow.addEventListener("change", build);
  document.body.append(panel); // above everything, and outside of what scrolls
  build();
  status();
})();
