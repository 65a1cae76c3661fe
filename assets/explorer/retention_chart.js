// The picture of what is kept: bytes a vector (doubling) against share kept; a line through the cuts,
// a mark of a shape of its own for each coding.

import { accent, groupColour } from "./colours.js";
import { draw } from "./dom.js";

const HEIGHT = 260;
const EDGE = { left: 46, right: 14, top: 14, bottom: 48 };
const MARKS = { int8: "M-6-6h12v12h-12z", binary: "M0-8l8 8-8 8-8-8z", rescored: "M0-8l8 14h-16z" };
const LABELS = { int8: "int8", binary: "binary", rescored: "binary, rescored" };

export function chart(found, { dimensions, bytes, steps, chosen }, width) {
  const least = Math.min(...steps.map((step) => step.bytes));
  const across = (size) => EDGE.left + (Math.log2(Math.max(size, least) / least) / (Math.log2(bytes / least) || 1)) * (width - EDGE.left - EDGE.right);
  const up = (share) => EDGE.top + (1 - share) * (HEIGHT - EDGE.top - EDGE.bottom);
  const cuts = found.filter((one) => one.cut).sort((one, two) => one.bytes - two.bytes);
  const said = [...cuts, ...found.filter((one) => !one.cut)].map((one) => `${one.name}: ${Math.round(100 * one.share)} %`).join(", ");
  const parts = [...grid(up, across, { least, bytes, width, dimensions })];
  if (chosen) parts.push(draw("line", { x1: across(chosen.bytes), x2: across(chosen.bytes), y1: up(1), y2: up(0), class: "tx-chosen" }));
  parts.push(draw("polyline", { points: cuts.map((one) => `${across(one.bytes)},${up(one.share)}`).join(" "), fill: "none", stroke: accent(), "stroke-width": 2 }));
  for (const one of cuts) parts.push(titled(draw("circle", { cx: across(one.bytes), cy: up(one.share), r: one === chosen ? 6 : 3.5, fill: accent() }), one));
  found.filter((one) => !one.cut).forEach((one) => {
    const [x, y] = [across(one.bytes), up(one.share)];
    const colour = groupColour(Object.keys(MARKS).indexOf(one.what));
    const end = x > width * 0.7;
    parts.push(titled(draw("path", { d: MARKS[one.what], transform: `translate(${x},${y})`, fill: colour, "data-what": one.what }), one));
    parts.push(draw("text", { x: x + (end ? -12 : 12), y: y + (y < 40 ? 18 : -8), "text-anchor": end ? "end" : "start", class: "tx-mark" }, LABELS[one.what]));
  });
  return draw("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `Share of true neighbours kept. ${said}` }, ...parts);
}

function* grid(up, across, { least, bytes, width }) {
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    yield draw("line", { x1: EDGE.left, x2: width - EDGE.right, y1: up(share), y2: up(share), class: "tx-grid" });
    yield draw("text", { x: EDGE.left - 8, y: up(share) + 4, "text-anchor": "end" }, `${100 * share} %`);
  }
  const every = width < 480 ? 2 : 1;
  const doublings = Math.floor(Math.log2(bytes / least) + 1e-9);
  for (let halved = 0; halved <= doublings; halved += every) {
    const size = Math.round(bytes / 2 ** halved);
    yield draw("text", { x: across(size), y: HEIGHT - 30, "text-anchor": halved ? "middle" : "end" }, size.toLocaleString("en"));
    if (size >= 4) yield draw("text", { x: across(size), y: HEIGHT - 16, "text-anchor": halved ? "middle" : "end" }, (size / 4).toLocaleString("en", { maximumFractionDigits: 0 }));
  }
  yield draw("text", { x: 2, y: HEIGHT - 30 }, "bytes");
  yield draw("text", { x: 2, y: HEIGHT - 16 }, "dims");
}

function titled(element, { name, bytes, share }) {
  element.append(draw("title", {}, `${name}, ${bytes.toLocaleString("en")} bytes: ${(100 * share).toFixed(1)} % kept`));
  return element;
}
