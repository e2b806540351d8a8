"use strict";
// Asks an authenticator (WebAuthn) for a form: gets the question from the server, puts the answer into
// the form's hidden field and sends it. Every way in which that can fail has its sentence on the page.
document.addEventListener("DOMContentLoaded", () => {
  const fromText = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const toText = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  /** asked turns the server's JSON into what the browser wants; browsers learned to do so themselves only lately. */
  function asked(o) {
    o.challenge = fromText(o.challenge);
    if (o.user) o.user.id = fromText(o.user.id);
    for (const list of [o.allowCredentials, o.excludeCredentials]) for (const c of list || []) c.id = fromText(c.id);
    return o;
  }

  /** answered turns what the authenticator said into JSON. */
  function answered(c) {
    const r = c.response, response = { clientDataJSON: toText(r.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) if (r[part]) response[part] = toText(r[part]);
    if (r.getTransports) response.transports = r.getTransports();
    return JSON.stringify({ id: c.id, rawId: toText(c.rawId), type: c.type, response, clientExtensionResults: c.getClientExtensionResults() });
  }

  document.querySelectorAll("[data-passkey]").forEach((box) => {
    const form = box.closest("form"), button = box.querySelector("[data-passkey-start]"), field = form.elements.passkey;
    const say = (what, sentence) => {
      for (const p of box.querySelectorAll("[data-say]")) p.hidden = p.dataset.say !== what;
      if (sentence) box.querySelector('[data-say="server"]').textContent = sentence;
    };

    /** why names the sentence for what the browser threw. It tells cancelling and running out of time apart by no other means than the clock. */
    function why(e, began, limit) {
      switch (e.name) {
        case "NotAllowedError": case "AbortError": return limit && performance.now() - began >= limit - 1000 ? "timeout" : "cancelled";
        case "SecurityError": return "domain";
        case "InvalidStateError": return "known";
        case "ConstraintError": case "NotSupportedError": return "unfit";
      }
      return "failed";
    }

    async function run() {
      if (!window.PublicKeyCredential || !navigator.credentials) return say("unsupported");
      say("waiting");
      let answer;
      try {
        answer = await fetch(box.dataset.ask, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector("meta[name=csrf]").content }, body: "{}" });
      } catch (e) {
        return say("offline");
      }
      const body = await answer.json().catch(() => ({}));
      if (!answer.ok) return say("server", body.error ? body.error.message : String(answer.status));
      const publicKey = asked(body.publicKey), began = performance.now();
      try {
        const c = box.dataset.passkey === "create" ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey });
        if (!c) return say("cancelled");
        field.value = answered(c);
      } catch (e) {
        return say(why(e, began, publicKey.timeout));
      }
      form.submit();
    }

    button.addEventListener("click", async () => {
      if (box.dataset.passkey === "create" && !form.reportValidity()) return;
      button.disabled = true;
      await run();
      button.disabled = false;
    });
  });
});
