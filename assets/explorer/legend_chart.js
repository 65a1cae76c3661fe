// What the colours mean, for a picture that is taken away.

import { draw, make } from "./dom.js";

const LINE = 22, SWATCH = 12, STEP = 20, GAP = 18, SIZE = 13;

// The legend as it stands on the page, flowing into lines of `width`; null where there is none.
export function legendChart(legend, { width, ink, font }) {
  const items = legend.querySelector(".tx-amount") ? [rangeOf(legend.querySelector(".tx-amount"))] : [...legend.children].map(groupOf);
  if (!items.length) return null;
  const pen = make("canvas").getContext("2d");
  pen.font = `${SIZE}px ${font}`;
  let [x, y] = [0, 0];
  const parts = [];
  for (const item of items) {
    const wide = item.reduce((sum, { text }) => sum + (text === undefined ? STEP : pen.measureText(text).width + 6), 0);
    if (x && x + wide > width) [x, y] = [0, y + LINE];
    for (const [place, { text, colour }] of item.entries()) {
      if (text === undefined) parts.push(draw("rect", { x, y: y + 4, width: item.length > 2 ? STEP : SWATCH, height: SWATCH, rx: item.length > 2 ? 0 : SWATCH / 2, fill: colour }));
      else parts.push(draw("text", { x, y: y + 4 + SIZE - 2, fill: ink, "font-family": font, "font-size": SIZE }, text));
      x += text === undefined ? STEP : pen.measureText(text).width + 6;
      if (text === undefined && item.length > 2 && item[place + 1]?.text) x += 6;
    }
    x += GAP;
  }
  return draw("svg", { width, height: y + LINE }, ...parts);
}

// A dot and a name with its number.
function groupOf(item) {
  const text = [...item.childNodes].filter((node) => node.nodeName !== "I").map((node) => node.textContent).join("  ");
  return [{ colour: item.querySelector("i").style.background }, { text }];
}

// What stands at both ends, and the colours between them.
function rangeOf(amount) {
  return [...amount.childNodes].flatMap((node) => (node.classList?.contains("tx-ramp") ? [...node.children].map((part) => ({ colour: part.style.background })) : node.textContent.trim() ? [{ text: node.textContent.trim() }] : []));
}
