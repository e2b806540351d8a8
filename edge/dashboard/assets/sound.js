"use strict";
// Sounds for a worker who does not look at the screen: two rising notes for good, two low
// buzzes for bad, one soft note for an answer. Browsers allow sound only after a touch or a
// key press; until then the button asks for one.
window.stockadeSound = (function () {
  const store = "stockade.muted";
  let context = null;
  let muted = false;
  try { muted = localStorage.getItem(store) === "1"; } catch (e) { /* storage may be closed off */ }

  function note(shape, frequency, from, length, level) {
    const o = context.createOscillator(), g = context.createGain(), at = context.currentTime + from;
    o.type = shape;
    o.frequency.value = frequency;
    g.gain.setValueAtTime(0, at);
    g.gain.linearRampToValueAtTime(level, at + 0.012);
    g.gain.setValueAtTime(level, at + length - 0.03);
    g.gain.linearRampToValueAtTime(0, at + length);
    o.connect(g).connect(context.destination);
    o.start(at);
    o.stop(at + length);
  }

  const tunes = {
    accepted: () => { note("sine", 988, 0, 0.11, 0.5); note("sine", 1480, 0.11, 0.17, 0.5); },
    refused: () => { note("sawtooth", 165, 0, 0.26, 0.45); note("sawtooth", 131, 0.32, 0.42, 0.45); },
    info: () => { note("sine", 660, 0, 0.14, 0.35); },
  };

  const shakes = { accepted: 80, refused: [250, 100, 250], info: 40 }; // ms on, off, on

  return {
    unlocked: () => context !== null && context.state === "running",
    muted: () => muted,
    mute(on) {
      muted = on;
      try { localStorage.setItem(store, on ? "1" : "0"); } catch (e) { /* only not remembered */ }
    },
    // unlock must be called from a touch or key press; then() is called once sound is on.
    unlock(then) {
      if (!context) {
        const Audio = window.AudioContext || window.webkitAudioContext;
        if (!Audio) return;
        context = new Audio();
      }
      context.resume().then(then, () => {});
    },
    play(outcome) {
      // a telephone in a loud hall; browsers allow it as they allow sound
      if (navigator.vibrate && navigator.userActivation && navigator.userActivation.hasBeenActive) navigator.vibrate(shakes[outcome] || 0);
      if (!muted && this.unlocked() && tunes[outcome]) tunes[outcome]();
    },
  };
})();
