"use strict";
// The pad for the PIN behind a badge: keys large enough for gloves, and the number keys of a keyboard. What is typed stays in the
// field until it is sent; a scanner that types meanwhile is told apart by its pace, see wedge.js.
// send(path, body) returns the server's refusal as a sentence, empty for none.
window.stockadePinpad = function (send) {
  const byID = (id) => document.getElementById(id);
  const pad = byID("pinpad"), field = byID("pin"), problem = byID("pin-problem");
  let asked = "";

  function say(sentence) {
    problem.textContent = sentence;
    problem.hidden = !sentence;
  }

  async function enter(pin) {
    field.value = "";
    if (!/^\d{6,12}$/.test(pin)) return;
    pad.dataset.busy = "yes";
    say(await send("pin", { pin }));
    delete pad.dataset.busy;
    if (!pad.hidden) field.focus();
  }

  pad.addEventListener("click", (e) => {
    const b = e.target.closest("button");
    if (!b) { field.focus(); return; }
    if (b.dataset.digit) field.value = (field.value + b.dataset.digit).slice(0, 12);
    else if (b.dataset.act === "back") field.value = field.value.slice(0, -1);
    else if (b.dataset.act === "cancel") send("pin/cancel", {});
    field.focus();
  });
  pad.addEventListener("submit", (e) => { e.preventDefault(); enter(field.value); });
  // Whatever takes the focus away, digits typed now are the PIN and no scan.
  field.addEventListener("blur", () => setTimeout(() => { if (!pad.hidden && !pad.contains(document.activeElement)) field.focus(); }));

  return {
    /** ask shows the pad for a person; an empty name hides it. */
    ask(name) {
      if (name === asked) return;
      asked = name;
      byID("pin-name").textContent = name;
      field.value = "";
      say("");
      pad.hidden = !name;
      if (name) field.focus();
    },
    /** takes tells whether bytes that a hand typed beside the field are the PIN, and then enters it. */
    takes(bytes) {
      const text = String.fromCharCode(...bytes);
      if (pad.hidden || !/^\d{4,12}$/.test(text)) return false;
      enter(text);
      return true;
    },
  };
};
