// A vector as a strip of colour, one column a dimension: orange below zero, blue above, which people
// who can't tell red from green can tell apart. Pointer and arrow keys read the numbers off.

import { above, below } from "./colours.js";
import { draw, make } from "./dom.js";

const HEIGHT = 1;
const WIDE_STEP = 10;

export const signed = (value, digits = 4) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

const ends = (scale) => `Orange to −${scale.toFixed(2)}, blue to +${scale.toFixed(2)}`;

export const furthest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// `scale` is the number that gets the full colour; strips that are to be compared share one.
export function strip(values, { label, scale = furthest(values) || 1, said = (place) => `dimension ${place}: ${signed(values[place])}` }) {
  const canvas = make("canvas", { className: "tx-strip", width: values.length, height: HEIGHT });
  const readout = make("output", { className: "tx-readout" });
  const bar = make(
    "div",
    { className: "tx-strip-bar", tabIndex: 0, role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": values.length - 1 },
    canvas,
  );
  let at = 0;
  const show = (place) => {
    at = Math.min(values.length - 1, Math.max(0, place));
    bar.setAttribute("aria-valuenow", at);
    bar.setAttribute("aria-valuetext", said(at));
    readout.textContent = said(at);
    bar.style.setProperty("--at", `${((at + 0.5) / values.length) * 100}%`);
  };
  const quiet = () => {
    if (bar === document.activeElement) return;
    readout.textContent = ends(scale);
    bar.style.removeProperty("--at");
  };
  bar.addEventListener("pointermove", (event) => {
    const { left, width } = bar.getBoundingClientRect();
    show(Math.floor(((event.clientX - left) / width) * values.length));
  });
  bar.addEventListener("pointerleave", quiet);
  bar.addEventListener("focus", () => show(at));
  bar.addEventListener("blur", quiet);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: WIDE_STEP, PageDown: -WIDE_STEP, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    event.preventDefault();
    show(at + step);
  });
  bar.setAttribute("aria-valuenow", 0);
  bar.setAttribute("aria-valuetext", said(0));
  paint(canvas, values, scale);
  quiet();
  return make("div", { className: "tx-strip-box" }, bar, readout);
}

// The same as a chart for a picture, with what its colours mean below it.
export function stripChart(values, { scale = furthest(values) || 1, width = 960, height = 40 } = {}) {
  const wide = width / values.length;
  const columns = values.map((value, place) => draw("rect", { x: (place * wide).toFixed(2), width: wide.toFixed(2), height, fill: value < 0 ? below() : above(), "fill-opacity": Math.min(1, Math.abs(value) / scale).toFixed(3) }));
  const said = draw("text", { y: height + 18, fill: "#7a808b", "font-family": "system-ui, sans-serif", "font-size": 12 }, ends(scale));
  return draw("svg", { width, height: height + 24 }, ...columns, said);
}

// A number's length beside the largest, in the colour of its side.
export function bar(value, largest) {
  const width = `${Math.round((Math.abs(value) / Math.abs(largest || 1)) * 100)}%`;
  return make("i", { className: "tx-bar", style: { width, background: value < 0 ? below() : above() } });
}

function paint(canvas, values, scale) {
  const pen = canvas.getContext("2d");
  const [low, high] = [below(), above()];
  values.forEach((value, place) => {
    pen.fillStyle = value < 0 ? low : high;
    pen.globalAlpha = Math.min(1, Math.abs(value) / scale);
    pen.fillRect(place, 0, 1, HEIGHT);
  });
}
