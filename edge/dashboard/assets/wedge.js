"use strict";
// A scanner that acts as a keyboard types its code and ends with Enter or Tab. This listens to
// the whole page, so that nothing needs focus, and takes what is typed by hand the same way.
//
// Such a scanner knows nothing of the computer it types on, so what a key means is put right where
// its pace tells that no hand typed it: Caps Lock is undone, and what an input method or its full-width
// letters made of a key is read from the key's place on a US keyboard. A group separator comes as
// Ctrl+], F8 or Alt+029, other control characters as Ctrl with their letter or as Alt with their
// number. Half a code, its other half typed elsewhere, is never taken for a whole one.
//
// page gives report(text), submit(bytes, whether a hand typed them) and problem(key of a text). keys "us" takes all keys by their
// place; end "silence" takes a pause for the end of a scan that has no other.
window.stockadeWedge = function (page, { keys, end } = {}) {
  const maximum = 4096;  // keys
  const pace = 50;       // ms from key to key, on average, that hands do not reach
  const shortest = 4;    // keys from which on the pace tells anything, and in a field of a form:
  const inField = 6;
  const near = 100;      // ms between events that belong together
  const pause = 300;     // ms after which a scanner has stopped
  const GS = "\x1d";

  let typed = [];        // {text, us, caps, byte, at} for each key
  let half = false;      // the first key came with the focus or behind a code without an end: others may be missing
  let focused = -Infinity, ended = -Infinity;
  let alt = "";          // digits typed while Alt is held
  let timer = 0;
  let field = null;      // {element, before, keys, prior, broken} of a run of keys in a field of a form; prior is the run before it
  const swallowed = new Set();

  const marks = { Minus: "-_", Equal: "=+", BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|", Semicolon: ";:", Quote: "'\"", Backquote: "`~", Comma: ",<", Period: ".>",
    Slash: "/?", Space: "  ", NumpadAdd: "++", NumpadSubtract: "--", NumpadMultiply: "**", NumpadDivide: "//", NumpadDecimal: ".." };

  /** onUS returns what the key of an event types on a US keyboard, by its place. */
  function onUS(e) {
    let m = /^Key([A-Z])$/.exec(e.code);
    if (m) return e.shiftKey ? m[1] : m[1].toLowerCase();
    m = /^(Digit|Numpad)([0-9])$/.exec(e.code);
    if (m) return e.shiftKey && m[1] === "Digit" ? ")!@#$%^&*("[m[2]] : m[2];
    return (marks[e.code] || "")[e.shiftKey ? 1 : 0] || "";
  }

  /** keyOf returns the character that an event types, or null. With an input method on, key says "Process" and only code tells the key. */
  function keyOf(e) {
    const us = onUS(e), plain = e.key.length === 1;
    if (!plain && !["Process", "Unidentified", "Dead"].includes(e.key)) return null;
    const text = plain && keys !== "us" ? e.key : us || (plain ? e.key : "");
    return text && { text, us, caps: e.getModifierState("CapsLock"), at: e.timeStamp };
  }

  /** controlOf returns the control character that Ctrl and a key stand for, or null. amid: other keys of a scan came just before. */
  function controlOf(e, amid) {
    const at = e.timeStamp;
    if (e.key === "]" || e.code === "BracketRight") return { text: GS, at };
    if (e.code === "Backslash") return { text: "\x1c", at };
    if (e.shiftKey && e.code === "Digit6") return { text: "\x1e", at };
    if (e.shiftKey && e.code === "Minus") return { text: "\x1f", at };
    const m = amid && /^Key([A-Z])$/.exec(e.code);
    return m ? { text: String.fromCharCode(m[1].charCodeAt(0) - 64), at } : null;
  }

  /** altOf returns the character of Alt and a number. */
  function altOf(digits, at) {
    const n = Number(digits);
    if (n >= 0x80 && n <= 0xff) return { byte: n, text: "�", at };
    return n > 0 && n <= 0x10ffff ? { text: String.fromCodePoint(n), at } : null;
  }

  /** silent tells of keys that type nothing themselves. */
  const silent = (e) => ["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "NumLock"].includes(e.key);

  const isEnd = (k) => k && ["\r", "\n", "\t"].includes(k.text);
  /** byHand tells by the pace, and takes what is too short to tell for typed by hand. */
  const byHand = (run, least) => run.length < least || (run.at(-1).at - run[0].at) / (run.length - 1) > pace;

  /** meant puts right what a key of a scanner came as. */
  function meant(k) {
    if (k.us && (k.text > "~" || (k.caps && /^[a-z]$/i.test(k.text)))) return k.us;
    return k.text;
  }

  function bytes(run) {
    const scanned = !byHand(run, shortest), utf8 = new TextEncoder();
    return Uint8Array.from(run.flatMap((k) => (k.byte ? [k.byte] : [...utf8.encode(scanned ? meant(k) : k.text)])));
  }

  const show = () => page.report(typed.map((k) => k.text).join(""));

  function clear() {
    clearTimeout(timer);
    typed = [];
    half = false;
    show();
  }

  function finish(at) {
    const run = typed, whole = !half;
    ended = at;
    clear();
    if (whole) page.submit(bytes(run), byHand(run, shortest));
    else page.problem("station.half");
  }

  function add(k) {
    if (isEnd(k)) {
      if (typed.length) finish(k.at);
      return;
    }
    const last = typed.at(-1);
    // what a scanner left without an end must not become the beginning of the next scan, nor this the rest of it
    const left = last && k.at - last.at > 2000 && !byHand(typed, shortest);
    if (left) typed = [];
    if (!typed.length) half = left || k.at - focused < near;
    if (typed.length < maximum) typed.push(k);
    show();
    clearTimeout(timer);
    timer = setTimeout(waited, pause, typed.length);
  }

  /** waited is called when no key came for a while. */
  function waited(count) {
    if (count !== typed.length || byHand(typed, shortest)) return;
    if (end === "silence") finish(typed.at(-1).at);
    else timer = setTimeout(() => { if (count === typed.length) page.problem("station.no_end"); }, 4 * pause);
  }

  function ours(e) {
    e.preventDefault();
    e.stopPropagation();
    swallowed.add(e.code);
  }

  /** inForm follows what is typed into a field of a form: by hand it is the form's, by a scanner it is a scan. */
  function inForm(e) {
    const t = e.target;
    if (altDigit(e)) return;
    if (e.ctrlKey || e.altKey || e.metaKey) {
      const k = e.ctrlKey && field ? controlOf(e, true) : null;
      if (k) { field.keys.push(k); e.preventDefault(); }
      return;
    }
    if (e.key === "Enter" || e.code === "Enter" || e.code === "NumpadEnter" || e.key === "Tab") {
      const run = field;
      field = null;
      if (!run || run.element !== t || byHand(run.keys, inField) || e.timeStamp - run.keys.at(-1).at > near) return;
      ours(e);
      // a scanner that stutters sends one code in two runs
      const stuttered = run.broken || run.prior && run.keys[0].at - run.prior.keys.at(-1).at < 1000 && !byHand(run.prior.keys, shortest);
      t.blur(); // ends what an input method has open
      t.value = (stuttered && run.prior ? run.prior : run).before;
      t.dispatchEvent(new Event("input", { bubbles: true }));
      t.focus();
      if (stuttered) page.problem("station.half");
      else page.submit(bytes(run.keys), false);
      return;
    }
    const k = e.key === "F8" ? { text: GS, at: e.timeStamp } : keyOf(e);
    if (k) record(t, k);
    else if (field && !silent(e)) field.broken = true;
    if (k && k.text === GS) ours(e);
  }

  function record(t, k) {
    if (!field || field.element !== t || k.at - field.keys.at(-1).at > 3 * pace) field = { element: t, before: t.value, keys: [], prior: field && field.element === t ? { ...field, prior: null } : null };
    field.keys.push(k);
  }

  /** altDigit collects the digits of an Alt code. */
  function altDigit(e) {
    const m = e.altKey && !e.ctrlKey && /^Numpad([0-9])$/.exec(e.code);
    if (!m) return false;
    alt += m[1];
    ours(e);
    return true;
  }

  function typing(e) {
    const t = e.target;
    return t && (t.tagName === "INPUT" || t.tagName === "SELECT" || t.tagName === "TEXTAREA" || t.isContentEditable);
  }

  document.addEventListener("keydown", (e) => {
    if (typing(e)) return inForm(e);
    const amid = (typed.length && e.timeStamp - typed.at(-1).at < near) || e.timeStamp - ended < near;
    if (e.metaKey) return;
    if (altDigit(e) || e.altKey) return;
    if (e.ctrlKey) {
      const k = controlOf(e, amid);
      if (!k) return;
      add(k);
    } else if (e.key === "F8") {
      add({ text: GS, at: e.timeStamp });
    } else if (e.key === "Enter" || e.code === "Enter" || e.code === "NumpadEnter" || e.key === "Tab") {
      if (!typed.length) { // Enter on a button is the button's, unless it ends a scan a second time
        if (amid) ours(e);
        return;
      }
      finish(e.timeStamp);
    } else if (e.key === "Backspace") {
      typed.pop();
      show();
    } else if (e.key === "Escape") {
      if (!typed.length) return;
      clear();
    } else {
      const k = keyOf(e);
      if (!k && typed.length && amid && !silent(e)) half = true; // a scanner typed something that nobody understands
      else if (!k || (k.text === " " && !typed.length)) return; // Space too is a button's
      else add(k);
    }
    ours(e);
  }, true);

  document.addEventListener("keyup", (e) => {
    if (swallowed.delete(e.code)) { // a button acts when Space is let go
      e.preventDefault();
      e.stopPropagation();
    }
    if (e.key !== "Alt" || alt === "") return;
    const k = altOf(alt, e.timeStamp);
    alt = "";
    e.preventDefault(); // nor does the browser's menu open
    if (!k) return;
    if (typing(e)) record(e.target, k);
    else add(k);
  }, true);

  window.addEventListener("focus", (e) => { if (e.target === window) focused = e.timeStamp; });
  window.addEventListener("blur", (e) => {
    alt = "";
    if (e.target !== window || !typed.length || e.timeStamp - typed.at(-1).at > near) return;
    clear();
    page.problem("station.half");
  });
};
