// What is in focus on a plane: lines from a text to its neighbours, rings around those, a dot on the text
// itself. Drawn above plotly's canvas, which would reckon all its dots anew for these few.

import { accent, ground, rest } from "./colours.js";
import { draw } from "./dom.js";

const RING_PX = 6, DOT_PX = 7.5;

export class Marks {
  constructor() {
    this.element = draw("svg", { class: "tx-marks", "aria-hidden": "true" });
    this.set(null, []);
  }

  set(row, others) {
    Object.assign(this, { row, others: row === null ? [] : others });
    this.lines = this.others.map(() => draw("line", { "stroke-width": 1 }));
    this.rings = this.others.map(() => draw("circle", { r: RING_PX, fill: "none", "stroke-width": 2 }));
    this.dots = row === null ? [] : [draw("circle", { r: DOT_PX, "stroke-width": 3 })];
    this.element.replaceChildren(...this.lines, ...this.rings, ...this.dots);
    this.repaint();
  }

  // `spotOf` gives the pixels of a row, or null while there are none.
  place(spotOf) {
    const from = this.row === null ? null : spotOf(this.row);
    this.element.toggleAttribute("hidden", !from);
    if (!from) return;
    const to = this.others.map(spotOf);
    to.forEach(([x, y], place) => {
      for (const [key, value] of Object.entries({ x1: from[0], y1: from[1], x2: x, y2: y })) this.lines[place].setAttribute(key, value);
    });
    [...this.rings, ...this.dots].forEach((circle, place) => {
      const [x, y] = to[place] ?? from;
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", y);
    });
  }

  repaint() {
    for (const line of this.lines) line.setAttribute("stroke", rest());
    for (const ring of this.rings) ring.setAttribute("stroke", accent());
    for (const dot of this.dots) {
      dot.setAttribute("fill", accent());
      dot.setAttribute("stroke", ground());
    }
  }

  // The same as traces of plotly's, for a picture.
  traces(at) {
    if (this.row === null) return [];
    const of = (rows) => ({ x: rows.map((one) => (one === null ? null : at(one, 0))), y: rows.map((one) => (one === null ? null : at(one, 1))), type: "scatter" });
    return [
      { ...of(this.others.flatMap((other) => [this.row, other, null])), mode: "lines", line: { width: 1, color: rest() } },
      { ...of(this.others), mode: "markers", marker: { size: 2 * RING_PX, symbol: "circle-open", color: accent(), line: { width: 2, color: accent() } } },
      { ...of([this.row]), mode: "markers", marker: { size: 2 * DOT_PX, color: accent(), line: { width: 3, color: ground() } } },
    ];
  }
}
