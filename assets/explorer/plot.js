// The picture: a plane or a space of dots, whichever the layout has, and above it names and the hover
// card, which are plain HTML.

import { debounced, make } from "./dom.js";
import { Labels } from "./labels.js";
import { Plane } from "./plane.js";
import { Space } from "./space.js";

export function hasWebgl() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2") || document.createElement("canvas").getContext("webgl"));
  } catch {
    return false;
  }
}

export class Plot {
  constructor(element, plotly, { onClick, onSelect, describe, onHover = () => {}, onView = () => {} }) {
    this.plotly = plotly;
    this.element = element;
    this.webgl = hasWebgl();
    Object.assign(this, { describe, heard: onHover });
    this.placeLabels = this.placeLabels.bind(this);
    const told = debounced(onView, 300);
    const moved = debounced(this.placeLabels, 60);
    const onMoved = () => (moved(), told());
    this.calls = { onClick, onSelect, onHover: (row, event) => this._hover(row, event), onMove: this.placeLabels, onMoved };
    this.labels = new Labels();
    this.card = make("div", { className: "tx-card", hidden: true, role: "tooltip" });
    this.canvases = { 2: make("div", { className: "tx-canvas" }), 3: make("div", { className: "tx-space", hidden: true }) };
    this.ring = make("div", { className: "tx-ring", hidden: true, "aria-hidden": "true" });
    element.replaceChildren(this.canvases[2], this.canvases[3], this.labels.element, this.ring, this.card);
    this.planes = {};
    this.focus = [null, []];
    this.mode = "pan";
    this.shown = this._of(2);
    new ResizeObserver(debounced(() => this._resize(), 80)).observe(element);
  }

  get largest() {
    return this.shown.largest;
  }

  // 3 where a space is on screen.
  get dimensions() {
    return this.shown === this.planes[3] ? 3 : 2;
  }

  // Positions of `dimensions` numbers for each row; of too many rows an even sample is drawn. Without
  // WebGL a space is shown as the plane of its first two directions.
  async setPoints(positions, { tween = true, dimensions = 2 } = {}) {
    const before = this.shown;
    const drawn = dimensions === 3 && this.webgl ? 3 : 2;
    for (const [number, canvas] of Object.entries(this.canvases)) canvas.hidden = Number(number) !== drawn;
    this.shown = this._of(drawn);
    this._hover();
    const other = before !== this.shown;
    await this.shown.setPoints(positions, dimensions, { tween: tween && !other });
    if (other) {
      await this.shown.resize();
      await this.shown.setMode(this.mode);
      await this.shown.setContours(this.grid ?? null);
      await this.shown.setFocus(...this.focus);
      if (this.look) await this.shown.setLook(...this.look);
    }
    this.placeLabels();
  }

  setLook(colourOf, strengthOf) {
    this.look = [colourOf, strengthOf];
    return this.shown.setLook(colourOf, strengthOf);
  }

  // For the points that are set next.
  keepLook(colourOf, strengthOf) {
    this.look = [colourOf, strengthOf];
    this.shown.keepLook(colourOf, strengthOf);
  }

  setFocus(row, others = []) {
    this.focus = [row, others];
    return this.shown.setFocus(row, others);
  }

  setContours(grid) {
    this.grid = grid;
    return this.shown.setContours(grid);
  }

  setLabels(labels) {
    this.labels.set(labels);
    this.placeLabels();
  }

  showNames(kind) {
    this.labels.show(kind);
    this.placeLabels();
  }

  placeLabels() {
    const { offsetWidth, offsetHeight } = this.element;
    this.shown.moved?.();
    if (offsetWidth) this.labels.place((at) => this.shown.placeOf(at), offsetWidth, offsetHeight, this.shown.spots?.());
  }

  // Whether both directions have a scale of their own; else a step is as long in both.
  setStretched(stretched) {
    return this.planes[2].setStretched(stretched);
  }

  // A ring around a row without a word to plotly, as quick as the pointer moves; none for undefined.
  mark(row) {
    const { shown } = this;
    const spot = row === undefined || !shown.at ? null : shown.placeOf(Array.from({ length: this.dimensions }, (_, axis) => shown.at(row, axis)));
    this.ring.hidden = !spot;
    if (spot) this.ring.style.transform = `translate(-50%, -50%) translate(${spot[0]}px, ${spot[1]}px)`;
  }

  setMode(mode) {
    this.mode = mode;
    return this.shown.setMode(mode);
  }

  showAll() {
    return this.shown.showAll();
  }

  // What part is looked at, or from where, in numbers; null where it is as it was drawn.
  get view() {
    return this.shown.view ?? null;
  }

  // Only as many numbers as the picture has.
  async setView(numbers) {
    if (numbers.length === (this.dimensions === 3 ? 9 : 4) && numbers.every(Number.isFinite)) await this.shown.setView(numbers);
  }

  bringIntoView(row) {
    this.shown.bringIntoView(row);
  }

  async repaint() {
    for (const plane of Object.values(this.planes)) await plane.repaint();
  }

  // What is on screen as a data address, labels and ground included.
  picture(format, ground, ink, notes = []) {
    const { width, height } = this.element.getBoundingClientRect();
    const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    const labels = this.labels.visible.map(({ element, at, shift }) => ({ at, shift, text: escaped(element.textContent) }));
    return this.plotly.toImage(this.shown.picture(labels, ground, ink, notes), { format, width, height, scale: format === "png" ? 2 : 1 });
  }

  // Made when it is first needed.
  _of(dimensions) {
    const kind = dimensions === 3 ? Space : Plane;
    return (this.planes[dimensions] ??= new kind(this.canvases[dimensions], this.plotly, this.webgl, this.calls));
  }

  async _resize() {
    if (!this.element.offsetWidth) return;
    await this.shown.resize();
    this.placeLabels();
  }

  async _hover(row, event) {
    this.hovered = row;
    this.heard(row);
    if (row === undefined) {
      this.card.hidden = true;
      return;
    }
    const content = await this.describe(row);
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
