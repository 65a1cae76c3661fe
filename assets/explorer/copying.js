// A vector taken away: by the clipboard as JSON or Python, as a file for numpy.

import { make } from "./dom.js";
import { save } from "./saving.js";

const SAID_MS = 1400;

export function copies(vector, name) {
  const json = JSON.stringify(vector);
  return [
    said("Copy JSON", "Copied", () => write(json)),
    said("Copy Python", "Copied", () => write(`import numpy as np\n\nvector = np.array(${json}, dtype=np.float32)`)),
    said("Save NPY", "Saved", () => save(npy(vector), `${name}.npy`)),
  ];
}

// A button that says for a moment that it was done, or that it was not.
function said(name, done, run) {
  const button = make("button", { type: "button", textContent: name });
  button.addEventListener("click", async () => {
    try {
      await run();
      button.textContent = done;
    } catch {
      button.textContent = "Not allowed by the browser";
    }
    setTimeout(() => (button.textContent = name), SAID_MS);
  });
  return button;
}

// Without https a browser has no clipboard for scripts; the old way still works there.
async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = make("textarea", { value: text, style: { position: "fixed", opacity: "0" } });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("not copied");
  return undefined;
}

// NPY format 1.0: magic, version, length of the header, header padded to 64, little-endian float32.
function npy(vector) {
  const described = `{'descr': '<f4', 'fortran_order': False, 'shape': (${vector.length},), }`;
  const padded = `${described.padEnd(Math.ceil((described.length + 11) / 64) * 64 - 11)}\n`;
  const length = new Uint8Array([padded.length & 255, padded.length >> 8]);
  const numbers = new DataView(new ArrayBuffer(4 * vector.length));
  vector.forEach((value, place) => numbers.setFloat32(4 * place, value, true));
  return new Blob([new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]), length, padded, numbers.buffer]);
}
