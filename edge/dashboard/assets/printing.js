"use strict";
// The bar of a station's page about its printer and the labels that wait for it. It comes and goes with
// the state that the page is sent.
document.addEventListener("stockade:state", (e) => {
  const bar = document.getElementById("print-bar"), s = e.detail.printing;
  bar.hidden = !s.level;
  bar.dataset.level = s.level;
  document.getElementById("print-trouble").textContent = s.text;
  document.getElementById("print-asks").textContent = s.asks;
  document.getElementById("print-open").hidden = !s.asks;
});
