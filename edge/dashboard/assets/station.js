"use strict";
// The station's page: shows each scan as it is committed, in colour and sound, and sends
// what the keyboard, a keyboard scanner or a finger asks for. All state is the server's; a
// page that is opened again, or was cut off, gets what it missed.
(function () {
  const byID = (id) => document.getElementById(id);
  const root = byID("station"), id = root.dataset.id;
  const texts = JSON.parse(byID("texts").textContent);
  const csrf = document.querySelector("meta[name=csrf]").content;
  const sound = window.stockadeSound;
  const shown = 8;
  let undoable = "";   // movement that the button takes back
  let newest = 0;      // number of the last scan shown
  let trouble = "";    // why the last scan is not stored yet
  let started = false; // false while the page is filled with older scans: they make no sound

  const el = (tag, text, name) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (name) e.className = name;
    return e;
  };
  const group = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

  function showStage(s) {
    root.dataset.outcome = s.outcome;
    root.dataset.item = s.item ? "yes" : "no";
    byID("verdict").textContent = texts["station." + s.outcome];
    byID("stage-mode").textContent = texts["mode." + s.mode] || "";
    byID("stage-clock").textContent = s.clock;
    byID("item").textContent = s.item || s.sentence;
    byID("sentence").textContent = s.item ? s.sentence : "";
    const amount = byID("amount");
    amount.hidden = !s.quantity || s.outcome === "refused"; // of a refused scan nothing was booked
    amount.textContent = "";
    if (!amount.hidden) {
      amount.append(el("b", s.quantity.replace(/^-/, "−")));
      if (s.unit) amount.append(el("span", s.unit));
    }
    showFacts(s);
    undoable = s.undoable ? s.movement : "";
    byID("undo").hidden = !undoable;
    byID("pass").hidden = !s.passable;
    byID("pass").href = "/station/" + encodeURIComponent(id) + "/pass/" + s.number;
  }

  function showFacts(s) {
    const facts = byID("facts");
    facts.textContent = "";
    for (const [key, value] of [["on_hand", s.on_hand], ["bin", s.bin], ["lot", s.lot], ["expiry", s.expiry], ["serial", s.serial], ["sku", s.sku]]) {
      if (!value) continue;
      const pair = el("div", undefined, "fact fact-" + key);
      pair.append(el("dt", texts["station." + key]), el("dd", value));
      facts.append(pair);
    }
  }

  function showLast(s) {
    const row = el("li", undefined, "is-" + s.outcome);
    const booked = s.outcome === "refused" ? "" : (s.quantity || "").replace(/^-/, "−");
    row.append(el("time", s.clock), el("span", s.item || s.sentence, "what"), el("b", booked));
    if (s.item) row.title = s.sentence;
    const list = byID("last");
    list.prepend(row);
    while (list.children.length > shown) list.lastChild.remove();
  }

  function onScan(s) {
    if (s.number <= newest) return;
    newest = s.number;
    showLast(s);
    showStage(s);
    if (!started) return;
    sound.play(s.outcome);
    root.classList.remove("flash");
    void root.offsetWidth; // starts the animation anew for a scan with the same outcome
    root.classList.add("flash");
  }

  function onState(s) {
    root.dataset.mode = s.station.mode;
    byID("mode").textContent = s.mode_text;
    byID("bin").textContent = s.bin || "—";
    byID("times").hidden = !s.station.quantity;
    for (const times of document.querySelectorAll(".times, #times b")) {
      times.hidden = !s.station.quantity;
      times.textContent = s.station.quantity ? "× " + group(s.station.quantity) : "";
    }
    showWorker(s.station);
    byID("accepted").textContent = group(s.station.accepted);
    byID("refused").textContent = group(s.station.refused);
    document.querySelectorAll("[data-key]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.mode === s.station.mode)));
    if (root.dataset.outcome === "idle") byID("stage-mode").textContent = s.mode_text;
    const devices = byID("devices");
    devices.textContent = "";
    for (const d of s.devices) {
      const line = el("span", d.name + " · " + d.text, d.good ? "good" : "bad");
      line.title = d.title;
      devices.append(line);
    }
    document.dispatchEvent(new CustomEvent("stockade:state", { detail: s }));
    byID("sync").dataset.state = s.sync;
    byID("sync").textContent = s.sync_text;
    started = true;
    // Until the scan is stored and shown: nothing that was shown before it may be taken for it.
    if (s.trouble && s.trouble !== trouble) showProblem(s.trouble, "station.not_stored");
    if (!s.trouble && trouble && byID("item").textContent === trouble) showIdle(); // or the worker would go on waiting for what is over
    trouble = s.trouble;
  }

  function showWorker(st) {
    const bar = byID("worker");
    bar.hidden = !st.worker && !st.needs_badge;
    bar.toggleAttribute("data-empty", !st.worker);
    byID("worker-name").textContent = st.worker || texts["station.badge_please"];
    byID("leave").hidden = !st.worker;
    pinpad.ask(st.asked || "");
  }

  function lost(key) {
    const bar = byID("lost");
    bar.hidden = !key;
    bar.textContent = key ? texts[key] : "";
  }

  function listen() {
    const stream = new EventSource("/station/" + encodeURIComponent(id) + "/events");
    stream.addEventListener("open", () => lost(""));
    stream.addEventListener("scan", (e) => onScan(JSON.parse(e.data)));
    stream.addEventListener("state", (e) => onState(JSON.parse(e.data)));
    stream.addEventListener("end", () => { stream.close(); window.stockadeReload(); });
    stream.addEventListener("error", () => {
      lost("station.offline");
      // the browser tries again by itself unless the server refused
      if (stream.readyState === EventSource.CLOSED) setTimeout(window.stockadeReload, 3000);
    });
    window.addEventListener("pagehide", () => stream.close());
  }

  // A refusal by the server itself, not by the station, has no number: it is shown as it is.
  function showProblem(sentence, verdict) {
    root.dataset.outcome = "refused";
    root.dataset.item = "no";
    byID("verdict").textContent = texts[verdict || "station.refused"];
    byID("item").textContent = sentence;
    byID("sentence").textContent = byID("facts").textContent = "";
    byID("amount").hidden = byID("undo").hidden = byID("pass").hidden = true;
    sound.play("refused");
  }

  const idle = Object.fromEntries(["verdict", "item", "sentence"].map((name) => [name, byID(name).textContent])); // as the page came

  function showIdle() {
    root.dataset.outcome = "idle";
    delete root.dataset.item;
    for (const name in idle) byID(name).textContent = idle[name];
  }

  /** post returns the server's refusal as a sentence, empty for none. */
  async function post(what, body) {
    try {
      const answer = await fetch("/api/v1/stations/" + encodeURIComponent(id) + "/" + what, {
        method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(body),
      });
      if (answer.status === 401) { location.reload(); return ""; }
      return answer.ok ? "" : (await answer.json()).error.message;
    } catch (e) {
      return texts["station.no_answer"];
    }
  }

  async function send(what, body) {
    const problem = await post(what, body);
    if (problem) showProblem(problem);
  }

  const pinpad = window.stockadePinpad(async (what, body) => {
    const problem = await post(what, body);
    if (problem) sound.play("refused");
    return problem;
  });

  // One after the other, so that scans are booked in the order in which they were made.
  let turn = Promise.resolve();
  const submit = (bytes, input) => { turn = turn.then(() => send("scan", { raw: btoa(String.fromCharCode(...bytes)), input })); };

  function undo() {
    if (undoable) send("undo", { movement: undoable });
    undoable = "";
    byID("undo").hidden = true;
  }

  function soundButton() {
    const key = !sound.unlocked() ? "station.sound_unlock" : sound.muted() ? "station.sound_off" : "station.sound_on";
    byID("sound").textContent = texts[key];
    byID("sound").dataset.state = key.slice("station.sound_".length);
  }

  window.stockadeWedge({
    report(typed) {
      byID("typed").hidden = typed === "";
      byID("typed").textContent = typed.replace(/(STK:BADGE:).*/i, "$1•••").replace(/[\x00-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)));
    },
    submit: (bytes, byHand) => { if (!byHand || !pinpad.takes(bytes)) submit(bytes, byHand ? "" : "keyboard"); }, // a hand types no Code IDs
    problem: (key) => showProblem(texts[key]),
  }, root.dataset);
  window.stockadeCamera(texts, (bytes) => submit(bytes, "camera"));

  document.querySelectorAll("[data-key]").forEach((b) => b.addEventListener("click", () => { b.blur(); send("mode", { mode: b.dataset.mode }); }));
  document.addEventListener("keydown", (e) => {
    const button = document.querySelector('[data-key="' + CSS.escape(e.key) + '"]');
    if (button) { e.preventDefault(); button.click(); }
    if (e.ctrlKey && e.key.toLowerCase() === "z") { e.preventDefault(); undo(); }
  });
  byID("undo").addEventListener("click", undo);
  byID("leave").addEventListener("click", (e) => { e.currentTarget.blur(); send("leave", {}); });
  byID("sound").addEventListener("click", (e) => {
    e.currentTarget.blur();
    if (sound.unlocked()) { sound.mute(!sound.muted()); sound.play("info"); }
    sound.unlock(soundButton);
    soundButton();
  });
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, (e) => {
      // the button does so itself: were sound on before its click, the click would turn it off
      if (!sound.unlocked() && !byID("sound").contains(e.target)) sound.unlock(soundButton);
    });
  }
  soundButton();
  listen();
})();
