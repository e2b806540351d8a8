"use strict";
// What every page needs: live refresh of elements with data-live and buttons that print.

// Loads the page anew once the server is there: a screen on a wall must never be left with the
// browser's own error page, which nobody comes to reload.
window.stockadeReload = function () {
  fetch(location.href, { method: "HEAD" }).then(() => location.reload(), () => setTimeout(window.stockadeReload, 3000));
};

// A stream is open only while the page is looked at: browsers allow six connections per
// server, and a forgotten tab must not hold one.
function live(source) {
  let stream = null;
  const refresh = () => document.querySelectorAll("[data-live]").forEach((e) => window.htmx.trigger(e, "refresh"));
  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(source);
    stream.addEventListener("open", refresh); // what changed between the page and its stream
    stream.addEventListener("changed", refresh);
    stream.addEventListener("end", () => { close(); window.stockadeReload(); });
  };
  const close = () => { if (stream) { stream.close(); stream = null; } };
  document.addEventListener("visibilitychange", () => { if (document.hidden) { close(); } else { open(); refresh(); } });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
}

document.addEventListener("DOMContentLoaded", () => {
  const csrf = document.querySelector("meta[name=csrf]");
  document.body.addEventListener("htmx:configRequest", (e) => { e.detail.headers["X-CSRF-Token"] = csrf.content; });
  const from = document.querySelector("[data-live-source]");
  if (from) live(from.dataset.liveSource);
  document.querySelectorAll("[data-print]").forEach((b) => b.addEventListener("click", () => window.print()));
});
