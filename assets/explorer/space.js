// A layout of three dimensions, turned by dragging. Needs WebGL.

import { accent, ground, rest, withStrength } from "./colours.js";
import { BRIGHT, FADED, along, dotSize, dotSizes, sampled } from "./dots.js";

const SPACE_POINTS = 30000;
const AXES = ["x", "y", "z"];
const CAMERA = ["eye", "center", "up"];
// A dot of a space is drawn smaller than one of a plane: the nearest ones would hide the rest.
const DOT_SHARE = 0.75;
const CLICK_PX = 5;
const FINGER_PX = 14;
const EYE = { x: 1.3, y: 1.3, z: 0.85 }; // so far that of a few far-flung dots none is out of sight
const OF_DOTS = 0, OF_LINES = 1, OF_RINGS = 2, OF_FOCUS = 3;

export class Space {
  constructor(canvas, plotly, _webgl, calls) {
    Object.assign(this, { canvas, plotly, calls });
    this.rows = [];
    this.ready = this._draw();
  }

  get largest() {
    return SPACE_POINTS;
  }

  // Positions as x, y, z, x, y, z…
  async setPoints(positions, dimensions) {
    await this.ready;
    this.rows = sampled(positions.length / dimensions, this.largest);
    this.at = (row, axis) => positions[dimensions * row + axis];
    const places = Object.fromEntries(AXES.map((name, axis) => [name, [along(positions, this.rows, axis, dimensions)]]));
    const size = this.look ? {} : { "marker.size": dotSize(this.rows.length) * DOT_SHARE };
    await this.plotly.restyle(this.canvas, { ...places, ...size }, [OF_DOTS]);
    if (this.look) await this.setLook(...this.look);
  }

  keepLook(colourOf, strengthOf) {
    this.look = [colourOf, strengthOf];
  }

  // Its dots have no opacity each: a faded one takes on the colour of the ground.
  async setLook(colourOf, strengthOf) {
    await this.ready;
    this.keepLook(colourOf, strengthOf);
    if (!this.rows.length) return;
    const strengths = this.rows.map(strengthOf);
    const color = this.rows.map((row, place) => withStrength(colourOf(row), (FADED + (BRIGHT - FADED) * strengths[place]) / BRIGHT));
    const sizes = dotSizes(this.rows.length, strengths);
    const size = Array.isArray(sizes) ? [sizes.map((one) => one * DOT_SHARE)] : sizes * DOT_SHARE;
    await this.plotly.restyle(this.canvas, { "marker.color": [color], "marker.size": size }, [OF_DOTS]);
  }

  async setFocus(row, others = []) {
    await this.ready;
    const focused = row === null ? [] : [row];
    const lines = focused.flatMap((one) => others.flatMap((other) => [one, other, null]));
    const all = [lines, focused.length ? others : [], focused];
    const of = (axis) => all.map((rows) => rows.map((one) => (one === null ? null : this.at(one, axis))));
    await this.plotly.restyle(this.canvas, Object.fromEntries(AXES.map((name, axis) => [name, of(axis)])), [OF_LINES, OF_RINGS, OF_FOCUS]);
  }

  setContours() {}

  // Where the camera sees a place; null where that is behind it, or plotly no longer tells.
  placeOf(at) {
    const scene = this.canvas._fullLayout?.scene?._scene;
    const { model, view, projection } = scene?.glplot?.cameraParams ?? {};
    if (!projection) return null;
    let point = [...at.map((value, axis) => value * scene.dataScale[axis]), 1];
    for (const matrix of [model, view, projection]) point = [0, 1, 2, 3].map((row) => point.reduce((sum, value, column) => sum + matrix[4 * column + row] * value, 0));
    if (point[3] <= 0) return null;
    const { offsetWidth, offsetHeight } = this.canvas;
    return [(0.5 + point[0] / point[3] / 2) * offsetWidth, (0.5 - point[1] / point[3] / 2) * offsetHeight];
  }

  setMode() {}

  async showAll() {
    await this.plotly.relayout(this.canvas, { "scene.camera": camera() });
    this.turned = null;
  }

  // From where and to where the camera looks, and what is up, three numbers each; null where nobody has turned it.
  get view() {
    return this.turned && CAMERA.flatMap((end) => AXES.map((axis) => this.turned[end][axis]));
  }

  async setView(numbers) {
    const ends = CAMERA.map((end, place) => [end, Object.fromEntries(AXES.map((axis, at) => [axis, numbers[3 * place + at]]))]);
    await this.plotly.relayout(this.canvas, { "scene.camera": Object.fromEntries(ends) });
  }

  picture(labels, background, ink) {
    const annotations = labels.map(({ text, at: [x, y, z], shift: [xshift, down] }) => ({ x, y, z, xshift, yshift: -down, text, showarrow: false, font: { size: 13, color: ink }, bgcolor: background, opacity: 0.85, borderpad: 1 }));
    const scene = { ...this.canvas.layout.scene, annotations };
    return { data: this.canvas.data, layout: { ...this.canvas.layout, scene, paper_bgcolor: background } };
  }

  bringIntoView() {}

  async repaint() {
    await this.ready;
    await this.plotly.restyle(this.canvas, { "line.color": rest() }, [OF_LINES]);
    await this.plotly.restyle(this.canvas, { "marker.color": [accent(), accent()], "marker.line.color": [accent(), ground()] }, [OF_RINGS, OF_FOCUS]);
    if (this.look) await this.setLook(...this.look);
  }

  resize() {
    return this.plotly.Plots.resize(this.canvas);
  }

  async _draw() {
    const quiet = { hoverinfo: "skip", showlegend: false, x: [], y: [], z: [] };
    const type = "scatter3d";
    const traces = [
      { type, mode: "markers", hoverinfo: "none", x: [], y: [], z: [], marker: { size: 4, opacity: BRIGHT, line: { width: 0 } } },
      { type, mode: "lines", line: { width: 2, color: rest() }, ...quiet },
      { type, mode: "markers", marker: { size: 8, symbol: "circle-open", color: accent(), line: { width: 2, color: accent() } }, ...quiet },
      { type, mode: "markers", marker: { size: 9, color: accent(), line: { width: 2, color: ground() } }, ...quiet },
    ];
    const axis = { visible: false, showspikes: false };
    const scene = { xaxis: axis, yaxis: { ...axis }, zaxis: { ...axis }, aspectmode: "data", dragmode: "orbit", camera: camera(), hovermode: "closest" };
    const layout = { autosize: true, margin: { l: 0, r: 0, t: 0, b: 0 }, scene, paper_bgcolor: "rgba(0,0,0,0)", showlegend: false };
    const config = { displayModeBar: false, scrollZoom: true, doubleClick: false, displaylogo: false, showTips: false };
    await this.plotly.newPlot(this.canvas, traces, layout, config);
    this._listen();
  }

  // plotly finds the dot under the pointer as it draws, without the pointer's event, and tells of a
  // click only if it draws between press and release: so both are taken from the page.
  _listen() {
    let pointer, pressed, pointed;
    this.canvas.addEventListener("pointermove", (event) => (pointer = event), { capture: true, passive: true });
    this.canvas.addEventListener("pointerdown", (event) => (pressed = event), { capture: true, passive: true });
    this.canvas.addEventListener("click", (event) => {
      const moved = pressed ? Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) : 0;
      // A finger was nowhere before it came down, and plotly has not looked there yet.
      const row = pressed?.pointerType === "touch" ? this._nearest(event) : pointed;
      if (row !== undefined && moved < CLICK_PX) this.calls.onClick(row);
    });
    this.canvas.on("plotly_hover", ({ points }) => {
      pointed = this.rows[points.find((point) => point.curveNumber === OF_DOTS)?.pointNumber];
      if (pointer) this.calls.onHover(pointed, pointer);
    });
    this.canvas.on("plotly_unhover", () => this.calls.onHover((pointed = undefined)));
    this.canvas.on("plotly_relayouting", () => this.calls.onMove());
    this.canvas.on("plotly_relayout", (changed) => {
      this.turned = changed["scene.camera"] ?? this.turned;
      this.calls.onMoved();
    });
  }

  // The row whose dot is nearest to a finger; undefined where none is near.
  _nearest({ clientX, clientY }) {
    const { left, top } = this.canvas.getBoundingClientRect();
    let [nearest, least] = [undefined, FINGER_PX];
    for (const row of this.rows) {
      const spot = this.placeOf(AXES.map((_, axis) => this.at(row, axis)));
      const away = spot ? Math.hypot(left + spot[0] - clientX, top + spot[1] - clientY) : Infinity;
      if (away < least) [nearest, least] = [row, away];
    }
    return nearest;
  }
}

function camera() {
  return { eye: { ...EYE }, center: { x: 0, y: 0, z: 0 }, up: { x: 0, y: 0, z: 1 } };
}
