// What a camera sees, as the file of raw pictures (YUV4MPEG2, 4:2:0) that Chromium takes for a camera.
import { writeFileSync } from "node:fs";

const width = 960, height = 540;
const paper = 225, ink = 25, wall = 120; // brightness

/** film writes a film to path: all barcodes given lie in the picture, from left to right; none is an empty wall. */
export function film(path, ...symbols) {
  const luma = Buffer.alloc(width * height, wall);
  const place = width / Math.max(1, symbols.length);
  symbols.forEach((s, i) => label(luma, s, Math.round(i * place), Math.round(place)));
  const frame = Buffer.concat([Buffer.from("FRAME\n"), luma, Buffer.alloc(width * height / 2, 128)]);
  writeFileSync(path, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F20:1 Ip A1:1 C420jpeg\n`), frame, frame]));
}

/** label sticks a white label with a barcode into the middle of a part of the picture. */
function label(luma, { rows, linear, quiet }, left, room) {
  const wide = rows[0].length + 2 * quiet, high = linear ? 0 : rows.length + 2 * quiet;
  const module = Math.floor(Math.min(room * 0.8 / wide, linear ? 9 : height * 0.44 / high, 9));
  if (module < 2) throw new Error(`${wide} modules are too many for a picture`);
  const w = wide * module, h = linear ? 180 : high * module;
  const x0 = left + Math.round((room - w) / 2), y0 = Math.round((height - h) / 2);
  const margin = linear ? 20 : quiet * module; // above and below the bars
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const row = rows[linear ? 0 : Math.floor(y / module) - quiet], dark = y >= margin && y < h - margin && row?.[Math.floor(x / module) - quiet] === "1";
      luma[(y0 + y) * width + x0 + x] = dark ? ink : paper;
    }
  }
}
