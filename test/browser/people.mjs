// Signing in as people do.
import { createHmac } from "node:crypto";
import { until } from "./browser.mjs";

export const name = "王主管", password = "春风又绿江南岸-明月何时照我还";

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** authenticator shows the codes of a secret as an application on a telephone does (RFC 6238). next is one that was not shown before: the server takes those of
 * the step before and after the present one too, so nobody has to wait for the next. */
export function authenticator(secret) {
  let bits = "", last = 0;
  for (const c of secret.replaceAll(/[^A-Z2-7]/g, "")) bits += letters.indexOf(c).toString(2).padStart(5, "0");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const at = (step) => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac("sha1", key).update(counter).digest();
    return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, "0");
  };
  return {
    async next() {
      const present = () => Math.floor(Date.now() / 30_000);
      last = Math.max(last + 1, present() - 1);
      await until("the server takes the code of the next step", () => last <= present() + 1);
      return at(last);
    },
    wrong: () => String((Number(at(Math.floor(Date.now() / 30_000) + 7)) + 1) % 1e6).padStart(6, "0"),
  };
}

/** begin makes the first account with a program's one-time code. */
export async function begin(p, { address, code }) {
  await p.visit(address, "/first");
  await firstForm(p, code, name, password);
  await p.page.getByRole("navigation").waitFor();
}

/** join lets the person p, who administers people at that address, make an account with a role, and returns its person, signed in. */
export async function join(browser, p, address, who, role, warehouses = "") {
  await p.visit(address, "/people/new");
  await p.page.fill("#name", who);
  if (warehouses) await p.page.fill("#warehouses", warehouses);
  await p.page.locator(`input[name="role"][value="${role}"]`).check();
  await p.page.locator("main form button.btn-primary").click();
  const activation = await p.page.locator(".activation").innerText();
  const other = await browser.person();
  await other.visit(address, "/activate");
  await other.page.fill("#code", activation);
  await other.page.fill("#password", password + who);
  await other.page.click("form.gate-card button.btn-primary");
  await other.page.getByRole("button", { name: "退出" }).waitFor();
  return other;
}

/** firstForm fills in the form of the first use and sends it. */
export async function firstForm(p, code, who, secret) {
  await p.page.fill("#code", code);
  await p.page.fill("#username", who);
  await p.page.fill("#password", secret);
  await p.page.click("form.gate-card button.btn-primary");
}

/** signIn fills in the sign-in form that is open and sends it. */
export async function signIn(p, secret = password, who = name) {
  await p.page.fill("#username", who);
  await p.page.fill("#password", secret);
  await p.page.click("form.gate-card button.btn-primary");
}
