// A company's identity provider: panva's oidc-provider, a certified implementation of OpenID Connect, behind TLS.
import { createServer } from "node:https";
import { once } from "node:events";

/** multi is the acr of a sign-in in which the provider took a second factor. */
export const multi = "urn:example:two-factors";

/** client is how the provider knows the hub. */
export const client = { id: "stockade-hub", secret: "a client secret, as the provider's administrator hands it over" };

/** listen opens a port and returns the provider's address, before there is a provider: the hub has to be told of it first, and the provider of the hub. */
export async function listen() {
  const server = createServer();
  const sockets = new Set();
  server.on("secureConnection", (s) => { sockets.add(s); s.on("close", () => sockets.delete(s)); });
  server.listen(0, "127.0.0.1"); // another site than localhost for a browser
  await once(server, "listening");
  const { port } = server.address();
  const issuer = `https://127.0.0.1:${port}`;
  return {
    issuer,
    /** open begins to serve, for a hub of that address, with a certificate. people are {id: name}. */
    async open({ key, cert }, hub, people) {
      server.setSecureContext({ key, cert });
      const { Provider, interactionPolicy } = await quietly(() => import("oidc-provider"));
      const policy = interactionPolicy.base();
      policy.remove("consent"); // companies agree for their people
      const provider = await quietly(() => new Provider(issuer, {
        clients: [{ client_id: client.id, client_secret: client.secret, redirect_uris: [`${hub}/login/company/return`], grant_types: ["authorization_code"], response_types: ["code"] }],
        findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: people[id] }) }),
        loadExistingGrant: async (ctx) => {
          const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
          grant.addOIDCScope("openid profile");
          await grant.save();
          return grant;
        },
        claims: { openid: ["sub"], profile: ["preferred_username"], acr: null, auth_time: null, iss: null },
        conformIdTokenClaims: false,
        acrValues: [multi],
        pkce: { required: () => true },
        cookies: { keys: ["of a test"] },
        features: { devInteractions: { enabled: false } },
        interactions: { policy, url: (_, i) => `/interaction/${i.uid}` },
      }));
      const protocol = provider.callback();
      server.on("request", (req, res) => {
        if (!req.url.startsWith("/interaction/")) return protocol(req, res);
        interact(provider, req, res).catch((e) => { console.error(e); res.writeHead(500).end(); });
      });
    },
    /** leave cuts all lines and answers no more. */
    async leave() {
      server.close();
      for (const s of sockets) s.destroy();
      await once(server, "close");
    },
    /** come opens the same port again. */
    async come() {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

/** interact is the page on which people sign in at the provider, or do not. */
async function interact(provider, req, res) {
  if (req.method === "GET") {
    res.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    res.end(`<!doctype html><html lang="zh-CN"><link rel="icon" href="data:,"><title>公司统一登录</title><form method="post"><input name="account" aria-label="account">
      <button name="do" value="in">进入</button><button name="do" value="two">两步进入</button><button name="do" value="no">拒绝</button></form>`);
    return;
  }
  let body = "";
  for await (const part of req) body += part;
  const form = new URLSearchParams(body), what = form.get("do");
  await provider.interactionFinished(req, res, what === "no" ? { error: "access_denied", error_description: "no" } :
    { login: { accountId: form.get("account"), acr: what === "two" ? multi : undefined, amr: what === "two" ? ["pwd", "otp"] : ["pwd"] } });
}

/** quietly keeps the library's advice for production out of the test's output. */
async function quietly(act) {
  const { info, warn } = console;
  console.info = console.warn = () => {};
  try {
    return await act();
  } finally {
    Object.assign(console, { info, warn });
  }
}
