"use strict";
// The camera of the telephone or the computer as a scanner. What lies in the frame on the picture is
// read, and given to submit(bytes) as a scanner with AIM identifiers would send it. The reader is
// fetched when the camera is opened for the first time.
window.stockadeCamera = function (texts, submit) {
  const byID = (id) => document.getElementById(id);
  const panel = byID("camera"), video = byID("camera-video"), open = byID("camera-open"), torch = byID("camera-torch");
  const frame = { width: 0.86, height: 0.5 }; // of the picture; .camera-aim shows it
  const away = 1000;      // ms that a code must be out of the frame before it counts as a new one
  const largest = 1280;   // pixels of the picture's longer side: more takes time and reads no more
  let stream = null, worker = null, awake = null;
  let asked = 0;          // number of the last opening: an answer to an earlier one is too late
  let pictures = 0;       // that were read
  const seen = new Map();   // code -> when it was first missed since, 0 while it is in the frame
  let candidate = "";     // code of the last picture: one picture alone may be misread

  function say(key) {
    panel.dataset.state = key;
    byID("camera-says").textContent = texts["camera." + key];
  }

  /** look judges what was read in one picture at a time, and returns the code to submit or "". */
  function look(codes, now) {
    for (const [code, missed] of seen) {
      if (codes.includes(code)) seen.set(code, 0);
      else if (!missed) seen.set(code, now);
      else if (now - missed > away) seen.delete(code);
    }
    const [code] = codes, before = candidate;
    candidate = codes.length === 1 ? code : "";
    if (codes.length > 1) say("several");
    else if (code === undefined) say(seen.size ? "read" : "aim");
    else if (seen.has(code)) say("held");
    else if (code === before) {
      seen.set(code, 0);
      say("read");
      return code;
    }
    return "";
  }

  // Codes are compared as text, one character per byte.
  const asText = (bytes) => String.fromCharCode(...bytes);
  const asBytes = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

  const canvas = document.createElement("canvas");
  const brush = canvas.getContext("2d", { willReadFrequently: true });

  /** picture returns what lies in the frame. */
  function picture() {
    const w = video.videoWidth * frame.width, h = video.videoHeight * frame.height, scale = Math.min(1, largest / Math.max(w, h));
    canvas.width = Math.max(1, Math.round(w * scale));
    canvas.height = Math.max(1, Math.round(h * scale));
    brush.drawImage(video, (video.videoWidth - w) / 2, (video.videoHeight - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
    return brush.getImageData(0, 0, canvas.width, canvas.height);
  }

  function next() {
    if (!stream) return;
    const mine = asked;
    const send = () => { if (stream && mine === asked) worker.postMessage({ picture: picture() }); };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(send); // waits while the page is hidden
    else setTimeout(send, 60);
  }

  function onAnswer({ data }) {
    if (data.error) return fail("no_reader", data.error);
    if (data.codes && stream) {
      panel.dataset.pictures = String(++pictures);
      const code = look([...new Set(data.codes.map(asText))], performance.now());
      if (code) submit(asBytes(code));
    }
    next();
  }

  // What was seen stays known over a pause: a code that is still in the frame is no new one.
  function begin() {
    candidate = "";
    worker = new Worker(open.dataset.worker);
    worker.onmessage = onAnswer;
    worker.onerror = (e) => fail("no_reader", e.message);
    worker.postMessage({ reader: open.dataset.reader, wasm: open.dataset.wasm });
  }

  function stop() {
    asked++;
    if (stream) stream.getTracks().forEach((t) => t.stop());
    stream = video.srcObject = null;
    if (awake) awake.then((lock) => lock && lock.release(), () => {});
    awake = null;
    if (worker) worker.terminate(); // its memory is worth more than the moment it takes to begin again
    worker = null;
    panel.dataset.live = "no";
    torch.hidden = true;
  }

  function close() {
    stop();
    panel.hidden = true;
    open.setAttribute("aria-expanded", "false");
  }

  // The panel stays open, so that the words can be read.
  function fail(key, why) {
    stop();
    say(key);
    if (why) console.warn("camera: " + why);
  }

  const reasons = { NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy", AbortError: "busy" };

  async function start() {
    panel.hidden = false;
    open.setAttribute("aria-expanded", "true");
    if (!window.isSecureContext || !navigator.mediaDevices || !window.WebAssembly || !window.Worker) return fail(window.isSecureContext ? "too_old" : "insecure");
    stop();
    say("starting");
    const mine = asked;
    try {
      const s = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1080 } } });
      if (mine !== asked) return s.getTracks().forEach((t) => t.stop());
      stream = s;
      video.srcObject = s;
      await video.play();
    } catch (e) {
      if (mine === asked) fail(reasons[e.name] || "busy", e.message);
      return;
    }
    if (mine !== asked) return;
    panel.dataset.live = "yes";
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => { if (mine === asked) fail("busy"); });
    const can = track.getCapabilities ? track.getCapabilities() : {};
    torch.hidden = !can.torch;
    torch.setAttribute("aria-pressed", "false");
    if ((can.focusMode || []).includes("continuous")) track.applyConstraints({ advanced: [{ focusMode: "continuous" }] }).catch(() => {});
    if (navigator.wakeLock) awake = navigator.wakeLock.request("screen").catch(() => null);
    begin();
  }

  open.addEventListener("click", () => {
    open.blur();
    if (panel.hidden) start();
    else close();
  });
  byID("camera-close").addEventListener("click", close);
  byID("camera-again").addEventListener("click", start);
  torch.addEventListener("click", () => {
    const on = torch.getAttribute("aria-pressed") !== "true";
    stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] }).then(() => torch.setAttribute("aria-pressed", String(on)), () => { torch.hidden = true; });
  });
  document.addEventListener("keydown", (e) => { if (e.key === "Escape" && !panel.hidden) close(); });
  window.addEventListener("pagehide", close);
  document.addEventListener("visibilitychange", () => { // nobody looks, so the camera does not either
    if (document.hidden && stream) {
      stop();
      say("starting");
    } else if (!document.hidden && !panel.hidden && panel.dataset.state === "starting" && !stream) start();
  });
};
