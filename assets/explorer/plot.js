// The picture: points on a plotly canvas, and above it labels and the hover card, which are plain HTML.

import { accent, rest } from "./colours.js";
import { debounced, isDark, make } from "./dom.js";

const SVG_POINTS = 3000;
const GL_POINTS = 60000;
const TWEENED_POINTS = 12000;
const TWEEN_MS = 600;
const FADED = 0.08;
const LABEL_GAP_PX = 6;

export function hasWebgl() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2") || document.createElement("canvas").getContext("webgl"));
  } catch {
    return false;
  }
}

export class Plot {
  constructor(element, plotly, { onClick, onSelect, describe }) {
    this.plotly = plotly;
    this.element = element;
    this.webgl = hasWebgl();
    this.calls = { onClick, onSelect, describe };
    this.canvas = make("div", { className: "tx-canvas" });
    this.labelLayer = make("div", { className: "tx-labels", "aria-hidden": "true" });
    this.card = make("div", { className: "tx-card", hidden: true, role: "tooltip" });
    element.replaceChildren(this.canvas, this.labelLayer, this.card);
    this.rows = [];
    this.labels = [];
    this.ready = this._draw();
    this.placeLabels = this.placeLabels.bind(this);
    this.tidy = debounced(this.placeLabels, 60);
    new ResizeObserver(debounced(() => this._resize(), 80)).observe(element);
  }

  get largest() {
    return this.webgl ? GL_POINTS : SVG_POINTS;
  }

  // Positions as x, y, x, y…; of too many points an even sample is drawn.
  async setPoints(positions, { tween = true } = {}) {
    await this.ready;
    const n = positions.length / 2;
    const step = Math.max(1, n / this.largest);
    const rows = Array.from({ length: Math.min(n, this.largest) }, (_, place) => Math.floor(place * step));
    const x = Float32Array.from(rows, (row) => positions[2 * row]);
    const y = Float32Array.from(rows, (row) => positions[2 * row + 1]);
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const moves = tween && !still && this.positions && rows.length === this.rows.length && n <= TWEENED_POINTS;
    const before = moves ? this.drawn : null;
    this.positions = positions;
    this.rows = rows;
    this.placeOf = new Map(rows.map((row, place) => [row, place]));
    this.drawn = { x, y };
    const goal = bounds(x, y);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (before) {
      const from = this._ranges();
      const started = performance.now();
      for (let share = 0; share < 1 && turn === this.turn; ) {
        share = Math.min(1, (performance.now() - started) / TWEEN_MS);
        const eased = 1 - (1 - share) ** 3;
        const between = (one, two) => Float32Array.from(two, (value, place) => one[place] + (value - one[place]) * eased);
        await this._place(between(before.x, x), between(before.y, y), blend(from, goal, eased));
        await new Promise(requestAnimationFrame);
      }
    } else {
      await this._place(x, y, goal);
    }
    this.setLabels(this.labels);
  }

  // A colour and a strength, 0 to 1, for each row.
  async setLook(colourOf, strengthOf) {
    await this.ready;
    this.look = [colourOf, strengthOf];
    if (!this.rows.length) return;
    const color = this.rows.map(colourOf);
    const opacity = this.rows.map((row) => FADED + (0.85 - FADED) * strengthOf(row));
    await this.plotly.restyle(this.canvas, { "marker.color": [color], "marker.opacity": [opacity], "marker.size": dotSize(this.rows.length) }, [0]);
  }

  // Lines from a row to others, rings around those and a dot on the row itself.
  async setFocus(row, others = []) {
    await this.ready;
    const at = (some) => [some.map((one) => this.positions[2 * one]), some.map((one) => this.positions[2 * one + 1])];
    const lines = row === null ? [] : others.flatMap((other) => [row, other, null]);
    const along = (axis) => lines.map((one) => (one === null ? null : this.positions[2 * one + axis]));
    const [ringX, ringY] = at(others);
    const [dotX, dotY] = at(row === null ? [] : [row]);
    await this.plotly.restyle(this.canvas, { x: [along(0), ringX, dotX], y: [along(1), ringY, dotY] }, [1, 2, 3]);
  }

  setLabels(labels) {
    this.labels = labels;
    this.labelLayer.replaceChildren(
      ...labels.map((label) => (label.element = make("span", { textContent: label.name, dir: "auto" }))),
    );
    this.placeLabels();
  }

  // Largest first, each where it covers no other: so zooming in shows more of them.
  placeLabels() {
    const { xaxis, yaxis, width, height } = this.canvas._fullLayout ?? {};
    if (!xaxis?._length) return;
    const taken = [];
    for (const { element, x, y } of this.labels) {
      const halfWidth = element.offsetWidth / 2 + LABEL_GAP_PX;
      const halfHeight = element.offsetHeight / 2 + LABEL_GAP_PX / 2;
      // One whose place is in the picture is moved so far that all of it is.
      const within = (value, half, size) => (value > 0 && value < size ? Math.min(Math.max(value, half), size - half) : value);
      const left = within(xaxis._offset + xaxis.l2p(x), halfWidth, width);
      const top = within(yaxis._offset + yaxis.l2p(y), halfHeight, height);
      const box = [left - halfWidth, top - halfHeight, left + halfWidth, top + halfHeight];
      const inside = box[0] > -halfWidth && box[1] > -halfHeight && box[2] < width + halfWidth && box[3] < height + halfHeight;
      const free = inside && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
      if (free) taken.push(box);
      element.style.transform = `translate(-50%, -50%) translate(${left}px, ${top}px)`;
      element.style.visibility = free ? "visible" : "hidden";
    }
  }

  // Whether both directions have a scale of their own; else a step is as long in both.
  async setStretched(stretched) {
    await this.ready;
    await this.plotly.relayout(this.canvas, { "yaxis.scaleanchor": stretched ? false : "x" });
  }

  setMode(mode) {
    return this.plotly.relayout(this.canvas, { dragmode: mode });
  }

  showAll() {
    return this.drawn && this._relayout(bounds(this.drawn.x, this.drawn.y));
  }

  // What is on screen as a data address, labels and ground included.
  picture(format, ground, ink, notes = []) {
    const { width, height } = this.element.getBoundingClientRect();
    const seen = this.labels.filter((label) => label.element.style.visibility === "visible");
    const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    const annotations = [...notes, ...seen.map(({ name, x, y }) => ({ x, y, text: escaped(name), showarrow: false, font: { size: 13, color: ink }, bgcolor: ground, opacity: 0.85, borderpad: 1 }))];
    const layout = { ...this.canvas.layout, annotations, paper_bgcolor: ground, plot_bgcolor: ground };
    return this.plotly.toImage({ data: this.canvas.data, layout }, { format, width, height, scale: 2 });
  }

  // A few rows in the middle of the picture, unless they are in it already.
  bringIntoView(row) {
    const { xaxis, yaxis } = this.canvas._fullLayout;
    const [x, y] = [this.positions[2 * row], this.positions[2 * row + 1]];
    const within = (axis, value) => value > Math.min(...axis.range) && value < Math.max(...axis.range);
    if (within(xaxis, x) && within(yaxis, y)) return;
    const move = (axis, value) => {
      const half = (axis.range[1] - axis.range[0]) / 2;
      return [value - half, value + half];
    };
    this._relayout({ x: move(xaxis, x), y: move(yaxis, y) });
  }

  async repaint() {
    await this.ready;
    await this.plotly.restyle(this.canvas, { "line.color": rest() }, [1]);
    await this.plotly.restyle(this.canvas, { "marker.color": [accent(), accent()], "marker.line.color": [accent(), isDark() ? "#18181b" : "#ffffff"] }, [2, 3]);
    if (this.look) await this.setLook(...this.look);
  }

  async _draw() {
    const type = this.webgl ? "scattergl" : "scatter";
    const quiet = { hoverinfo: "skip", showlegend: false, x: [], y: [] };
    const traces = [
      { type, mode: "markers", hoverinfo: "none", x: [], y: [], marker: { size: 6, line: { width: 0 } }, selected: { marker: { opacity: 1 } }, unselected: { marker: {} } },
      { type, mode: "lines", line: { width: 1, color: rest() }, ...quiet },
      { type, mode: "markers", marker: { size: 12, symbol: "circle-open", color: accent(), line: { width: 2, color: accent() } }, ...quiet },
      { type, mode: "markers", marker: { size: 15, color: accent(), line: { width: 3, color: "#ffffff" } }, ...quiet },
    ];
    const axis = { visible: false, showgrid: false, zeroline: false, range: [-1, 1] };
    const layout = {
      autosize: true,
      margin: { l: 0, r: 0, t: 0, b: 0 },
      xaxis: { ...axis },
      yaxis: { ...axis, scaleanchor: "x" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      hovermode: "closest",
      hoverdistance: 12,
      dragmode: "pan",
    };
    const config = { displayModeBar: false, scrollZoom: true, doubleClick: false, displaylogo: false, showTips: false };
    await this.plotly.newPlot(this.canvas, traces, layout, config);
    const rowOf = (event) => this.rows[event.points.find((point) => point.curveNumber === 0)?.pointNumber];
    this.canvas.on("plotly_click", (event) => {
      const row = rowOf(event);
      if (row !== undefined) this.calls.onClick(row);
    });
    this.canvas.on("plotly_selected", (event) => {
      if (!event) return;
      const rows = event.points.filter((point) => point.curveNumber === 0).map((point) => this.rows[point.pointNumber]);
      // Else the next lasso would drag this one, and plotly would fade the points itself.
      this.plotly.relayout(this.canvas, { selections: [] });
      this.plotly.restyle(this.canvas, { selectedpoints: null }, [0]);
      if (event.range || event.lassoPoints) this.calls.onSelect(rows);
    });
    this.canvas.on("plotly_hover", (event) => this._hover(rowOf(event), event.event));
    this.canvas.on("plotly_unhover", () => this._hover());
    this.canvas.on("plotly_doubleclick", () => this.showAll());
    this.canvas.on("plotly_relayouting", this.placeLabels);
    this.canvas.on("plotly_relayout", () => this.tidy());
  }

  async _place(x, y, ranges) {
    const shared = { x: [x], y: [y], "marker.size": dotSize(x.length) };
    await this.plotly.update(this.canvas, shared, { "xaxis.range": ranges.x, "yaxis.range": ranges.y }, [0]);
    if (this.look && x.length !== this.canvas.data[0].marker.opacity?.length) await this.setLook(...this.look);
  }

  _ranges() {
    const { xaxis, yaxis } = this.canvas._fullLayout;
    return { x: [...xaxis.range], y: [...yaxis.range] };
  }

  async _relayout(ranges) {
    await this.plotly.relayout(this.canvas, { "xaxis.range": ranges.x, "yaxis.range": ranges.y });
    this.placeLabels();
  }

  async _resize() {
    if (!this.element.offsetWidth) return;
    await this.plotly.Plots.resize(this.canvas);
    this.placeLabels();
  }

  async _hover(row, event) {
    this.hovered = row;
    if (row === undefined) {
      this.card.hidden = true;
      return;
    }
    const content = await this.calls.describe(row);
    if (this.hovered !== row) return;
    this.card.replaceChildren(...content);
    this.card.hidden = false;
    const frame = this.element.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const left = Math.min(Math.max(8, x + 14), frame.width - this.card.offsetWidth - 8);
    const above = y + 18 + this.card.offsetHeight > frame.height;
    this.card.style.transform = `translate(${left}px, ${above ? y - 12 - this.card.offsetHeight : y + 18}px)`;
  }
}

function dotSize(n) {
  return n <= 30 ? 14 : n <= 300 ? 10 : n <= 2000 ? 7 : n <= 8000 ? 5.5 : n <= 25000 ? 4 : 3;
}

// The range of the middle 99.9 %, so that one far point does not shrink all others to a dot.
function bounds(x, y) {
  const of = (values) => {
    const sorted = Float32Array.from(values).sort();
    const cut = Math.floor(sorted.length / 2000);
    const [low, high] = [sorted[cut] ?? 0, sorted[sorted.length - 1 - cut] ?? 1];
    const pad = (high - low || 1) * 0.06;
    return [low - pad, high + pad];
  };
  return { x: of(x), y: of(y) };
}

function blend(from, to, share) {
  const between = (one, two) => two.map((value, place) => one[place] + (value - one[place]) * share);
  return { x: between(from.x, to.x), y: between(from.y, to.y) };
}
