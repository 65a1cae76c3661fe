// A layout of two dimensions: dots on a plotly canvas, contours of their density below them.

import { contourColours, rest } from "./colours.js";
import { BRIGHT, FADED, SPOTS, along, bounds, dotSize, dotSizes, sampled } from "./dots.js";
import { Marks } from "./marks.js";

const SVG_POINTS = 3000;
const DRAWN_POINTS = 10000; // so many dots are shapes of a picture that is saved; more are one image in it
const GL_POINTS = 60000;
const TWEEN_MS = 250;
const FEWEST_FRAMES = 4; // without a GPU one of 50,000 dots alone takes longer than that
const DOUBLE_PX = 8;
const DOTS = 0, CONTOURS = 1;

export class Plane {
  constructor(canvas, plotly, webgl, calls) {
    Object.assign(this, { canvas, plotly, webgl, calls });
    this.rows = [];
    this.marks = new Marks();
    canvas.after(this.marks.element);
    this.ready = this._draw();
  }

  get largest() {
    return this.webgl ? GL_POINTS : SVG_POINTS;
  }

  // Positions as x, y, x, y…, or of a space, whose first two directions are drawn.
  async setPoints(positions, dimensions, { tween = true } = {}) {
    await this.ready;
    const n = positions.length / dimensions;
    const rows = sampled(n, this.largest);
    const [x, y] = [0, 1].map((axis) => along(positions, rows, axis, dimensions));
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const moves = tween && !still && this.positions?.length === n * this.dimensions;
    const before = moves ? this.drawn : null;
    this.at = (row, axis) => positions[dimensions * row + axis];
    Object.assign(this, { positions, dimensions });
    this.rows = rows;
    this.drawn = { x, y };
    const goal = bounds(x, y);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (before) {
      const from = this._ranges();
      const started = performance.now();
      for (let share = 0; share < 1 && turn === this.turn; ) {
        share = Math.min(1, (performance.now() - started) / TWEEN_MS, share + 1 / FEWEST_FRAMES);
        const eased = 1 - (1 - share) ** 3;
        const between = (one, two) => Float32Array.from(two, (value, place) => one[place] + (value - one[place]) * eased);
        await this._place(between(before.x, x), between(before.y, y), blend(from, goal, eased));
        await new Promise(requestAnimationFrame);
      }
    } else {
      await this._place(x, y, goal);
    }
  }

  // A colour and a strength, 0 to 1, for each row.
  async setLook(colourOf, strengthOf) {
    await this.ready;
    this.keepLook(colourOf, strengthOf);
    if (this.rows.length) await this.plotly.restyle(this.canvas, this._looks(), [DOTS]);
  }

  // The same for the points that are set next, drawn with them at once.
  keepLook(colourOf, strengthOf) {
    this.look = [colourOf, strengthOf];
    this.lookIsNew = true;
  }

  // Lines from a row to others, rings around those and a dot on the row itself.
  async setFocus(row, others = []) {
    await this.ready;
    this.marks.set(row, others);
    this.moved();
  }

  // What stands above the canvas goes where its rows are now; `between` are their places on the way there.
  moved(between = null) {
    this.marks.place((row) => this.placeOf([0, 1].map((axis) => between?.[axis][row] ?? this.at(row, axis))));
  }

  // Lines of equal density, from a grid over the plane; none where there is no grid.
  async setContours(grid) {
    await this.ready;
    this.grid = grid;
    if (!grid) return this.plotly.restyle(this.canvas, { visible: false }, [CONTOURS]);
    const { low, high, cells, shares } = grid;
    const z = Array.from({ length: cells }, (_, row) => Array.from(shares.subarray(row * cells, (row + 1) * cells), Math.sqrt)); // by the root, thin places show as well
    const step = (axis) => (high[axis] - low[axis]) / (cells - 1);
    return this.plotly.restyle(this.canvas, { visible: true, z: [z], x0: low[0], y0: low[1], dx: step(0), dy: step(1), colorscale: [contourColours()], "line.color": rest() }, [CONTOURS]);
  }

  placeOf([x, y]) {
    const { xaxis, yaxis } = this.canvas._fullLayout ?? {};
    return xaxis?._length ? [xaxis._offset + xaxis.l2p(x), yaxis._offset + yaxis.l2p(y)] : null;
  }

  // Where an even sample of the dots is in the picture.
  spots() {
    const { rows } = this;
    return rows.length && this.placeOf([0, 0]) ? sampled(rows.length, SPOTS).map((place) => this.placeOf([this.drawn.x[place], this.drawn.y[place]])) : [];
  }

  async setStretched(stretched) {
    if (stretched === Boolean(this.stretched)) return;
    this.stretched = stretched;
    await this.ready;
    await this.plotly.relayout(this.canvas, { "yaxis.scaleanchor": stretched ? false : "x" });
  }

  setMode(mode) {
    return this.plotly.relayout(this.canvas, { dragmode: mode });
  }

  async showAll() {
    if (!this.drawn) return;
    await this._relayout(bounds(this.drawn.x, this.drawn.y));
    this.zoomed = false;
  }

  // The part that is looked at, as left, right, bottom, top; null where that is all.
  get view() {
    const { x, y } = this.zoomed ? this._ranges() : { x: null };
    return x && [...x, ...y];
  }

  async setView([left, right, bottom, top]) {
    await this._relayout({ x: [left, right], y: [bottom, top] });
  }

  // What is on screen for a picture of its own: names as plotly's annotations.
  picture(labels, ground, ink, notes) {
    const named = labels.map(({ text, at: [x, y], shift: [xshift, down] }) => ({ x, y, xshift, yshift: -down, text, showarrow: false, font: { size: 13, color: ink }, bgcolor: ground, opacity: 0.85, borderpad: 1 }));
    const type = this.rows.length <= DRAWN_POINTS ? "scatter" : "scattergl";
    const data = this.canvas.data.map((trace, place) => (place === DOTS ? { ...trace, type } : trace));
    return { data: [...data, ...this.marks.traces(this.at)], layout: { ...this.canvas.layout, annotations: [...notes, ...named], paper_bgcolor: ground, plot_bgcolor: ground } };
  }

  // A row in the middle of the picture, unless it is in it already.
  bringIntoView(row) {
    const { xaxis, yaxis } = this.canvas._fullLayout;
    const [x, y] = [this.at(row, 0), this.at(row, 1)];
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
    this.marks.repaint();
    if (this.grid) await this.setContours(this.grid);
    if (this.look) await this.setLook(...this.look);
  }

  resize() {
    return this.plotly.Plots.resize(this.canvas);
  }

  async _draw() {
    const type = this.webgl ? "scattergl" : "scatter";
    const traces = [
      { type, mode: "markers", hoverinfo: "none", x: [], y: [], marker: { size: 6, line: { width: 0 } }, selected: { marker: { opacity: 1 } }, unselected: { marker: {} } },
      { type: "contour", visible: false, z: [], hoverinfo: "skip", showscale: false, autocontour: false, contours: { coloring: "fill", start: 0.15, end: 0.95, size: 0.1 }, line: { width: 0.5, smoothing: 0.9, color: rest() } },
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
    const rowOf = (event) => this.rows[event.points.find((point) => point.curveNumber === DOTS)?.pointNumber];
    this.canvas.on("plotly_click", (event) => {
      const row = rowOf(event);
      if (row !== undefined) this.calls.onClick(row);
    });
    this.canvas.on("plotly_selected", (event) => {
      if (!event) return;
      const rows = event.points.filter((point) => point.curveNumber === DOTS).map((point) => this.rows[point.pointNumber]);
      // Else the next lasso would drag this one, and plotly would fade the points itself.
      this.plotly.relayout(this.canvas, { selections: [] });
      this.plotly.restyle(this.canvas, { selectedpoints: null }, [DOTS]);
      if (event.range || event.lassoPoints) this.calls.onSelect(rows);
    });
    this.canvas.on("plotly_hover", (event) => this.calls.onHover(rowOf(event), event.event));
    this.canvas.on("plotly_unhover", () => this.calls.onHover());
    const pressed = [];
    this.canvas.addEventListener("pointerdown", ({ clientX, clientY }) => (pressed.unshift([clientX, clientY]), pressed.splice(2)), { capture: true, passive: true });
    this.canvas.on("plotly_doubleclick", () => {
      // For plotly two quick clicks on two dots are one double click as well.
      const [[x, y], [wasX, wasY] = [x, y]] = pressed;
      if (Math.hypot(x - wasX, y - wasY) < DOUBLE_PX) this.showAll();
    });
    this.canvas.on("plotly_relayouting", () => this.calls.onMove());
    this.canvas.on("plotly_relayout", (changed) => {
      if (Object.keys(changed).some((name) => name.startsWith("xaxis.range"))) this.zoomed = true;
      this.calls.onMoved();
    });
  }

  async _place(x, y, ranges) {
    const looks = this.look && (this.lookIsNew || x.length !== this.canvas.data[DOTS].marker.opacity?.length) ? this._looks() : {};
    const shared = { x: [x], y: [y], ...(this.look ? looks : { "marker.size": dotSize(x.length) }) };
    await this.plotly.update(this.canvas, shared, { "xaxis.range": ranges.x, "yaxis.range": ranges.y }, [DOTS]);
    this.zoomed = false;
    this.moved(x.length * this.dimensions === this.positions.length ? [x, y] : null);
  }

  _looks() {
    const [colourOf, strengthOf] = this.look;
    this.lookIsNew = false;
    const strengths = this.rows.map(strengthOf);
    const opacity = strengths.map((strength) => FADED + (BRIGHT - FADED) * strength);
    const sizes = dotSizes(this.rows.length, strengths);
    return { "marker.color": [this.rows.map(colourOf)], "marker.opacity": [opacity], "marker.size": Array.isArray(sizes) ? [sizes] : sizes };
  }

  _ranges() {
    const { xaxis, yaxis } = this.canvas._fullLayout;
    return { x: [...xaxis.range], y: [...yaxis.range] };
  }

  async _relayout(ranges) {
    await this.plotly.relayout(this.canvas, { "xaxis.range": ranges.x, "yaxis.range": ranges.y });
    this.calls.onMove();
  }
}

function blend(from, to, share) {
  const between = (one, two) => two.map((value, place) => one[place] + (value - one[place]) * share);
  return { x: between(from.x, to.x), y: between(from.y, to.y) };
}
