// Signing in as people do.
export const name = "王主管", password = "春风又绿江南岸-明月何时照我还";

/** begin makes the first account with a program's one-time code. */
export async function begin(p, { address, code }) {
  await p.visit(address, "/first");
  await firstForm(p, code, name, password);
  await p.page.getByRole("navigation").waitFor();
}

/** firstForm fills in the form of the first use and sends it. */
export async function firstForm(p, code, who, secret) {
  await p.page.fill("#code", code);
  await p.page.fill("#username", who);
  await p.page.fill("#password", secret);
  await p.page.click("form.gate-card button.btn-primary");
}

/** signIn fills in the sign-in form that is open and sends it. */
export async function signIn(p, secret = password) {
  await p.page.fill("#username", name);
  await p.page.fill("#password", secret);
  await p.page.click("form.gate-card button.btn-primary");
}
