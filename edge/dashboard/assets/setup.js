"use strict";
// The set-up page of a scanner: shows what it sends, and renews the lease under which its scans are not booked. When the
// page goes away, or nobody touches it for long, the lease ends by itself.
(function () {
  const byID = (id) => document.getElementById(id);
  const address = "/api/v1/devices/" + encodeURIComponent(byID("setup").dataset.name) + "/";
  const texts = JSON.parse(byID("texts").textContent);
  const csrf = document.querySelector("meta[name=csrf]").content;
  const every = 600; // milliseconds
  const alone = 10 * 60 * 1000; // milliseconds: a page that nobody touches for so long was forgotten, and must not keep scans from being booked
  let gone = false, touched = Date.now(), resting = false;

  const el = (tag, text, name) => {
    const e = document.createElement(tag);
    e.textContent = text;
    if (name) e.className = name;
    return e;
  };

  async function post(what, body, keepalive) {
    const answer = await fetch(address + what, {
      method: "POST", keepalive: !!keepalive, headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(body),
    });
    if (answer.status === 401) { location.reload(); throw new Error("signed out"); }
    const said = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(said.error.message), { said: true });
    return said;
  }

  function problem(text) {
    byID("problem").hidden = !text;
    byID("problem").textContent = text || "";
  }

  // Lists grow at their end; what is shown stays, so that it can be read and copied.
  function fill(list, items, make) {
    const first = items.length ? items[0].number : 0, newest = Number(list.dataset.newest || 0);
    for (const old of [...list.children]) if (Number(old.dataset.number) < first || !items.length) old.remove();
    for (const i of items) {
      if (i.number <= newest) continue;
      const row = make(i);
      row.dataset.number = i.number;
      list.append(row);
      list.dataset.newest = i.number;
      list.scrollTop = list.scrollHeight;
    }
  }

  function same(node, key) {
    if (node.dataset.shown === key) return true;
    node.dataset.shown = key;
    node.textContent = "";
    return false;
  }

  function show(w) {
    byID("state").textContent = w.state;
    byID("state").className = "tag " + (w.good ? "tag-good" : "tag-bad");
    problem(w.good ? "" : w.error);
    byID("silent").hidden = w.heard.length > 0;
    fill(byID("heard"), w.heard, (h) => {
      const row = el("li", "");
      row.append(el("span", h.clock + (h.pause < 10000 ? " +" + h.pause + " ms" : "")), el("b", h.text));
      return row;
    });
    fill(byID("scans"), w.scans, (s) => {
      const row = el("li", ""), line = el("div", "");
      line.append(el("span", s.result), el("span", s.good ? "✓" : "✕", "tag " + (s.good ? "tag-good" : "tag-bad")));
      row.append(line, el("span", s.raw, "quiet mono"));
      return row;
    });
    if (!same(byID("findings"), w.findings.join("\n"))) for (const f of w.findings) byID("findings").append(el("li", f));
    if (!same(byID("settings"), w.settings)) byID("settings").textContent = w.settings;
    byID("candidates").hidden = w.candidates.length === 0;
    if (!same(byID("candidate-list"), JSON.stringify(w.candidates))) for (const c of w.candidates) byID("candidate-list").append(el("pre", c.settings, "mono"));
  }

  async function watch() {
    if (gone) return;
    if (Date.now() - touched > alone) {
      resting = true;
      problem(texts["setup.resting"]);
      post("unwatch", {}).catch(() => {}); // else the lease ends by itself
      return;
    }
    try {
      show(await post("watch", {}));
    } catch (e) {
      if (!gone) problem(e.said ? e.message : texts["setup.lost"]);
    }
    if (!gone) setTimeout(watch, every);
  }

  document.querySelectorAll("[data-command]").forEach((b) => b.addEventListener("click", async () => {
    byID("sent").hidden = true;
    b.disabled = true;
    try {
      await post("command", { command: b.dataset.command });
      byID("sent").textContent = texts["setup.sent"];
      byID("sent").hidden = false;
    } catch (e) {
      problem(e.said ? e.message : texts["setup.lost"]);
    }
    b.disabled = false;
  }));
  for (const act of ["pointerdown", "keydown", "wheel"]) {
    document.addEventListener(act, () => {
      touched = Date.now();
      if (!resting) return;
      resting = false;
      problem("");
      watch();
    }, { passive: true });
  }
  window.addEventListener("pagehide", () => { gone = true; post("unwatch", {}, true).catch(() => {}); });
  window.addEventListener("pageshow", (e) => { if (e.persisted && gone) { gone = false; touched = Date.now(); if (!resting) watch(); } });
  watch();
})();
