// Runs the real programs through build/bin-test/rigrun, see test/cmd/rigrun.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(fileURLToPath(import.meta.url), "../../..");

/** start runs what setup describes and returns it: addresses, codes and ways to act upon it. */
export async function start(setup) {
  const program = spawn(join(root, "build/bin-test/rigrun"), { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const ended = new Promise((resolve, reject) => {
    program.on("error", reject);
    program.on("close", (code, signal) => resolve(signal ?? code));
  });
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`rigrun has ended: ${await ended}`);
    return JSON.parse(value);
  };
  const tell = (what) => program.stdin.write(JSON.stringify(what) + "\n");
  tell(setup);
  const { hub, nodes, provider } = await answer();

  let turn = Promise.resolve(); // commands are answered in order, one at a time
  const call = (command) => {
    turn = turn.catch(() => {}).then(async () => {
      tell(command);
      const a = await answer();
      if (a.error) throw new Error(`${command.do}: ${a.error}`);
      return a;
    });
    return turn;
  };
  return {
    hub, nodes, provider, call,
    /** scan sends text from a station's scanner, as bytes and with the CR that ends a scan. */
    scan: (station, text) => call({ do: "scan", station, raw: Buffer.from(text + "\r").toString("base64") }),
    device: (station, device, good) => call({ do: "device", station, device, good }),
    /** symbol returns a barcode: rows of "0" and "1", whether it is linear, its quiet zone in modules. */
    symbol: async (kind, message) => (await call({ do: "symbol", kind, message })).symbol,
    /** stale makes it ten minutes since anybody at the hub gave a factor. */
    stale: () => call({ do: "stale" }),
    line: (good) => call({ do: "line", good }),
    hubJSON: async (...args) => JSON.parse((await call({ do: "hub", args })).output),
    async stop() {
      program.stdin.end();
      const code = await ended;
      if (code !== 0) throw new Error(`rigrun ended with ${code}`);
    },
  };
}
