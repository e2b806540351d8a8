// Draws labels from their ZPL with a renderer that knows nothing of us: one JSON object {zpl, width, height, dots} a line
// (mm, dots per mm) on standard input, one PNG in base64 a line on standard output.
import { createInterface } from "node:readline";
import { ready } from "zpl-renderer-js";

const { api } = await ready;
for await (const line of createInterface({ input: process.stdin })) {
  const { zpl, width, height, dots } = JSON.parse(line);
  console.log(await api.zplToBase64Async(zpl, width, height, dots));
}
process.exit(0);
