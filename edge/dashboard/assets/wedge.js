"use strict";
// A scanner that acts as a keyboard types its code and ends with Enter or Tab. This listens
// to the whole page, so that nothing needs focus, and takes what is typed by hand the same
// way. A group separator comes as Ctrl+] or F8, depending on the scanner.
window.stockadeWedge = function (report, submit) {
  const maximum = 4096;
  let text = "";

  // With an input method switched on, key says "Process" and only code tells the key.
  function letter(e) {
    if (e.key.length === 1) return e.key;
    if (e.key !== "Process" && e.key !== "Unidentified") return "";
    let m = /^Key([A-Z])$/.exec(e.code);
    if (m) return e.shiftKey ? m[1] : m[1].toLowerCase();
    m = /^(?:Digit|Numpad)([0-9])$/.exec(e.code);
    if (m) return m[1];
    return { Minus: "-", Slash: "/", Period: ".", Space: " " }[e.code] || "";
  }

  function typing(e) {
    const t = e.target;
    return t && (t.tagName === "INPUT" || t.tagName === "SELECT" || t.tagName === "TEXTAREA" || t.isContentEditable);
  }

  document.addEventListener("keydown", (e) => {
    if (typing(e) || e.altKey || e.metaKey) return;
    if ((e.ctrlKey && e.key === "]") || e.key === "F8") {
      text += "\x1d";
    } else if (e.ctrlKey) {
      return;
    } else if (e.key === "Enter" || (e.key === "Tab" && text !== "")) {
      if (text === "") return; // Enter on a button is the button's
      submit(text);
      text = "";
    } else if (e.key === "Backspace") {
      text = text.slice(0, -1);
    } else if (e.key === "Escape") {
      text = "";
    } else {
      const c = letter(e);
      if (c === "" || (c === " " && text === "")) return;
      if (text.length < maximum) text += c;
    }
    e.preventDefault();
    e.stopPropagation();
    report(text);
  }, true);
};
