// How many texts have which score: small above the slider of the least one, and as a chart to take away.

import { accent } from "./colours.js";
import { draw } from "./dom.js";

const BINS = 48;
const HEIGHT = 20;
const CHART = { width: 720, height: 320, left: 56, right: 16, top: 8, bottom: 44 };
const TICKS = 5;

export class Histogram {
  constructor() {
    this.element = draw("svg", { viewBox: `0 0 ${BINS} ${HEIGHT}`, preserveAspectRatio: "none", class: "tx-histogram", role: "img" });
  }

  // `scores` of every text, at least one.
  show(scores) {
    [this.low, this.high] = scores.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
    this.bins = new Array(BINS).fill(0);
    for (const score of scores) this.bins[Math.min(BINS - 1, Math.floor(((score - this.low) / (this.high - this.low || 1)) * BINS))] += 1;
    const most = Math.max(...this.bins);
    const tall = (bin) => Math.max(1, (bin / most) * HEIGHT);
    this.element.setAttribute("aria-label", `How many of ${scores.length.toLocaleString("en")} texts have which score, from ${this.low.toFixed(2)} to ${this.high.toFixed(2)}`);
    this.element.replaceChildren(...this.bins.flatMap((bin, place) => (bin ? [draw("rect", { x: place, y: HEIGHT - tall(bin), width: 1, height: tall(bin) })] : [])));
  }

  // With axes, in `ink` on any ground; scores of at least `least` stand out.
  chart({ ink, least, name }) {
    const { width, height, left, right, top, bottom } = CHART;
    const across = (share) => left + share * (width - left - right);
    const most = Math.max(...this.bins);
    const up = (bin) => top + (1 - bin / most) * (height - top - bottom);
    const at = (least - this.low) / (this.high - this.low || 1);
    const words = (x, y, text, anchor = "middle") => draw("text", { x, y, fill: ink, "fill-opacity": 0.75, "font-family": "system-ui, sans-serif", "font-size": 12, "text-anchor": anchor }, text);
    const bars = this.bins.map((bin, place) => draw("rect", { x: across(place / BINS) + 0.5, y: up(bin), width: across(1 / BINS) - left - 1, height: up(0) - up(bin), fill: (place + 0.5) / BINS >= at ? accent() : ink, "fill-opacity": (place + 0.5) / BINS >= at ? 1 : 0.35 }));
    const ticks = Array.from({ length: TICKS + 1 }, (_, place) => words(across(place / TICKS), up(0) + 18, (this.low + (place / TICKS) * (this.high - this.low)).toFixed(2)));
    return draw(
      "svg",
      { width, height },
      ...bars,
      draw("line", { x1: across(0), x2: across(1), y1: up(0), y2: up(0), stroke: ink, "stroke-opacity": 0.4 }),
      draw("line", { x1: across(at), x2: across(at), y1: top, y2: up(0), stroke: accent(), "stroke-width": 1.5, "stroke-dasharray": "4 3" }),
      ...ticks,
      words(left - 8, up(most) + 10, most.toLocaleString("en"), "end"),
      words(left - 8, up(0), "0", "end"),
      words(across(0.5), height - 6, `${name}, texts a bar`),
    );
  }
}
