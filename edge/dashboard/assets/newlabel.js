"use strict";
// Shows the label while its form is filled in: the node draws it as the chosen printer will print it.
(() => {
  const form = document.getElementById("label");
  const canvas = document.getElementById("preview"), said = document.getElementById("said");
  const texts = JSON.parse(document.getElementById("texts").textContent);
  const csrf = form.elements.csrf.value;
  let running = false, again = false;

  function order() {
    const values = {};
    for (const field of form.elements) {
      if (field.name.startsWith("f_") && field.value.trim() !== "") values[field.name.slice(2)] = field.value.trim();
    }
    const number = form.elements.number;
    return { template: form.dataset.template, printer: form.elements.printer?.value ?? "", values, units: 1, copies: 1, number: number ? number.checked : false };
  }

  function say(text, bad) {
    said.textContent = text;
    said.classList.toggle("bad", bad);
  }

  async function draw() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      const res = await fetch("/api/v1/labels/preview", { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(order()) });
      if (res.ok) {
        const picture = await createImageBitmap(await res.blob());
        canvas.width = picture.width;
        canvas.height = picture.height;
        canvas.getContext("2d").drawImage(picture, 0, 0);
        canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
        const warnings = res.headers.get("X-Warnings");
        say(warnings ? JSON.parse(warnings) : "", Boolean(warnings));
      } else {
        const body = await res.json();
        say(body.error?.message ?? texts["newlabel.preview_lost"], true);
      }
    } catch {
      say(texts["newlabel.preview_lost"], true);
    }
    running = false;
    if (again) {
      again = false;
      draw();
    }
  }

  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(draw, 150);
  });
  // The form that a person comes back to is a new wish: its labels are wanted once more.
  window.addEventListener("pageshow", (e) => { if (e.persisted) form.elements.once.value = crypto.randomUUID(); });
  draw();
})();
