"use strict";
// Sends a file and shows how far it is. Without this script the form is sent as it is, and the browser shows its own progress.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const problem = document.querySelector("[data-problem]"), progress = form.querySelector("[data-progress]"), bar = progress.querySelector("progress");
  const inputs = [...form.querySelectorAll('input[type="file"]')], button = form.querySelector("button");
  const say = (text) => { problem.textContent = text; problem.hidden = !text; if (text) problem.scrollIntoView({ block: "center" }); };
  const step = (name) => progress.querySelectorAll("[data-say]").forEach((e) => { e.hidden = e.dataset.say !== name; });
  const rest = () => { button.disabled = false; progress.hidden = true; };
  // one file at a time: the one that was chosen last
  inputs.forEach((input) => input.addEventListener("change", () => inputs.forEach((other) => { if (other !== input && input.files.length) other.value = ""; })));

  form.addEventListener("submit", (e) => {
    e.preventDefault();
    const file = inputs.map((i) => i.files[0]).find(Boolean);
    if (!file) return say(form.dataset.choose);
    if (file.size > Number(form.dataset.most)) return say(form.dataset.tooLarge); // what was typed stays
    say("");
    const body = new FormData(form), send = new XMLHttpRequest();
    button.disabled = true;
    progress.hidden = false;
    step("sending");
    bar.value = 0;
    send.upload.addEventListener("progress", (p) => { if (p.lengthComputable) bar.value = (100 * p.loaded) / p.total; });
    send.upload.addEventListener("load", () => { bar.removeAttribute("value"); step("checking"); });
    const broke = () => { rest(); say(form.dataset.broke); };
    send.addEventListener("error", broke);
    send.addEventListener("abort", broke);
    send.addEventListener("load", () => {
      const there = new URL(send.responseURL, location.href);
      if (send.status === 200 && there.pathname !== location.pathname) return location.assign(there); // it is there
      rest();
      const page = new DOMParser().parseFromString(send.responseText, "text/html"); // only read, never shown
      const told = ["[data-problem]:not([hidden])", "main [role=alert]", "main h1"].map((s) => page.querySelector(s)).find(Boolean);
      if (send.status === 401) return form.submit(); // the server asks who it is; its page is shown
      say(told && told.textContent.trim() ? told.textContent.trim() : form.dataset.broke);
    });
    send.open("POST", form.action);
    send.send(body);
  });
});
