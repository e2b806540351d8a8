// Shows a PDF as pictures of its pages. The library runs no scripts of a document, follows no links and fetches nothing but what this
// server sends; what it does to read the document it does in a worker of its own.
const most = 100; // pages
const frame = document.querySelector("[data-document]");
const say = (name, text) => {
  frame.querySelectorAll("[data-say]").forEach((e) => { if (e.dataset.say === name || e.dataset.say !== "cut") e.hidden = e.dataset.say !== name; });
  if (text) frame.querySelector(`[data-say="${name}"]`).textContent = text;
};
const fill = (text, values) => Object.entries(values).reduce((t, [k, v]) => t.replace(`{${k}}`, v), text);

/** Parts fetches what the library wants besides the document: all addresses are in the page. */
class Parts {
  async fetch({ filename }) {
    const part = frame.querySelector(`[data-part="${CSS.escape(filename)}"]`);
    const answer = part && await fetch(part.getAttribute("value"));
    if (!answer || !answer.ok) throw new Error(`no ${filename}`);
    return new Uint8Array(await answer.arrayBuffer());
  }
}

async function page(document_, number) {
  const sheet = await document_.getPage(number), plain = sheet.getViewport({ scale: 1 });
  const scale = Math.min(3, (Math.min(frame.clientWidth, 992) * Math.min(window.devicePixelRatio, 2)) / plain.width);
  const viewport = sheet.getViewport({ scale: Math.min(scale, 4000 / Math.max(plain.width, plain.height)) }); // dots are bounded, whatever the page says of its size
  const figure = document.createElement("figure"), canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
  canvas.width = Math.max(1, Math.floor(viewport.width));
  canvas.height = Math.max(1, Math.floor(viewport.height));
  caption.textContent = fill(frame.dataset.page, { page: number, pages: document_.numPages });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", caption.textContent);
  await sheet.render({ canvas, viewport, annotationMode: 1 }).promise;
  figure.append(canvas, caption);
  frame.insertBefore(figure, frame.querySelector('[data-say="cut"]'));
  sheet.cleanup();
}

async function show() {
  say("loading");
  const answer = await fetch(frame.dataset.document);
  if (!answer.ok || !answer.headers.get("content-type").startsWith("application/pdf")) throw new Error(`${answer.status}`);
  const library = await import(frame.dataset.library);
  library.GlobalWorkerOptions.workerSrc = frame.dataset.worker;
  const opened = await library.getDocument({ data: new Uint8Array(await answer.arrayBuffer()), BinaryDataFactory: Parts, useWorkerFetch: false, cMapUrl: "/", standardFontDataUrl: "/", wasmUrl: "/",
    enableXfa: false, stopAtErrors: false, maxImageSize: 100_000_000, verbosity: 0 }).promise;
  for (let n = 1; n <= Math.min(opened.numPages, most); n++) {
    await page(opened, n);
    say("");
  }
  if (opened.numPages > most) say("cut", fill(frame.dataset.cut, { pages: most }));
  frame.dataset.shown = opened.numPages;
}

show().catch((e) => { console.info(`document: ${e}`); say("failed"); });
