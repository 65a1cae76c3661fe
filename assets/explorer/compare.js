// Two models side by side: two maps of the same texts, the second laid over the first, with one selection,
// one hover and one list. Python embeds and lays out, and says here what is there (`watch`).

import { Agreement } from "./agreement.js";
import { Api } from "./api.js";
import { Colouring } from "./colouring.js";
import { count, make } from "./dom.js";
import { Legend } from "./legend.js";
import { tend } from "./menus.js";
import { Plot } from "./plot.js";
import { fromAddress, saveMenu, savePicture, sheet } from "./saving.js";
import { nowViewed, rowsOf, viewed, written } from "./viewed.js";

const NEIGHBOURS = 10;
const TOOLS = { pan: "Move", lasso: "Lasso", select: "Box" };
const OVERLAP = "shared neighbours";
const NO_CLUSTERS = { labels: [], clusters: [] };

class Comparing {
  constructor(root, plotly, trigger) {
    this.trigger = trigger;
    this.with = make("select", { id: "cx-with", "aria-label": "Compare with" });
    this.go = make("button", { type: "button", className: "primary", id: "cx-go", textContent: "Compare", on: { click: () => ((this.before = {}), this.ask()) } });
    this.colour = make("select", { id: "cx-colour", "aria-label": "Colour both maps by" });
    this.colour.addEventListener("change", () => this.guarded(() => this.recolour(this.colour.selectedOptions[0].textContent)));
    this.tools = Object.entries(TOOLS).map(([mode, name]) =>
      make("button", { type: "button", textContent: name, "aria-pressed": String(mode === "pan"), "data-mode": mode, on: { click: () => this.setMode(mode) } }),
    );
    this.own = make("b", { className: "cx-own" });
    this.intro = make("p", { className: "tx-note cx-intro" });
    this.advice = make("p", { className: "tx-note cx-advice", hidden: true });
    this.looking = [
      make("label", { className: "tx-pick" }, "Colour", this.colour),
      make("div", { className: "tx-tools", role: "group", "aria-label": "What dragging does" }, ...this.tools),
      make("button", { type: "button", textContent: "Show all", on: { click: () => this.plots.forEach((plot) => plot.showAll()) } }),
      saveMenu(["png", "svg"].map((format) => [`${format.toUpperCase()} of both maps`, () => this.guarded(() => this.picture(format))])),
    ];
    this.legend = new Legend(() => this.paint());
    this.message = make("p", { className: "tx-message", role: "status" });
    this.agreement = new Agreement({
      onRow: (row) => this.guarded(() => this.focus(row)),
      onHover: (row) => this.plots.forEach((plot) => plot.mark(row)),
      onClear: () => this.guarded(() => this.select(null)),
      onMap: (rows, title) => document.dispatchEvent(new CustomEvent("tessera:select", { detail: { id: this.value.id, rows, title } })),
    });
    const sides = ["Left", "Right"].map((side) => this.side(side, plotly));
    this.names = sides.map(({ name }) => name);
    this.stages = sides.map(({ stage }) => stage);
    this.plots = sides.map(({ plot }) => plot);
    this.maps = make("div", { className: "cx-maps", hidden: true }, ...sides.map(({ element }) => element));
    this.below = make("div", { hidden: true }, this.legend.element, this.message, this.agreement.element);
    this.problem = make("p", { className: "tx-note", role: "alert", hidden: true });
    root.replaceChildren(
      make("div", { className: "tx-toolbar" }, make("label", { className: "tx-pick cx-pick" }, this.own, "with", this.with), this.go, ...this.looking),
      this.intro,
      this.advice,
      this.problem,
      this.maps,
      this.below,
    );
    tend(root);
    this.toolbar = { setColours: (choices, chosen) => this.setColours(choices, chosen) };
    this.colouring = new Colouring(this);
    this.colouring.picked = OVERLAP;
    this.forget();
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.guarded(() => this.select(null)));
    new MutationObserver(() => this.guarded(() => this.repaint())).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  side(side, plotly) {
    const name = make("h3");
    const stage = make("div", { className: "tx-plot", role: "img", "aria-label": `${side} map. The list below holds the same texts.` });
    const plot = new Plot(stage, plotly, {
      onClick: (row) => this.guarded(() => this.focus(row)),
      onSelect: (rows) => this.guarded(() => this.select(rows)),
      describe: (row) => this.describe(row),
      onHover: (row) => this.plots.forEach((one) => one !== plot && one.mark(row)),
    });
    return { name, stage, plot, element: make("figure", { className: "cx-map" }, name, stage) };
  }

  forget() {
    this.row = null;
    this.near = [[], []];
    this.selected = null;
    this.selectedKey = null; // of one that the address has no room for, once the server has said it
    this.about = null;
    this.compared = null;
    this.clusters = NO_CLUSTERS;
    this.painted = "";
  }

  ask() {
    this.trigger("input", { with: this.with.value });
  }

  // So many neighbours can be shared.
  get most() {
    return Math.min(this.compared.k, Math.max(this.about.n - 1, 1));
  }

  get amount() {
    const { overlap } = this.compared ?? {};
    return overlap ? { name: OVERLAP, values: overlap.map((share) => share * this.most), range: [0, this.most] } : null;
  }

  // Texts on screen, with or without another model's view of them, or more of that view than before.
  async show(value) {
    if (value.id !== this.value?.id) this.recall(viewed("compare", value.id));
    const fresh = value.id !== this.value?.id || value.version !== this.value?.version || value.other?.id !== this.value?.other?.id;
    this.value = value;
    this.api = fresh ? new Api(document.baseURI, value.id) : this.api;
    if (fresh) this.forget();
    this.advice.hidden = !value.advice;
    this.advice.textContent = value.advice;
    const chosen = this.with.value;
    this.with.replaceChildren(...value.choices.map((choice) => make("option", { value: choice.value, textContent: choice.label })));
    const offered = (wanted) => value.choices.some((choice) => choice.value === wanted);
    const wanted = (fresh && value.other?.choice) || chosen; // what a visitor picks meanwhile stays picked
    if (offered(wanted)) this.with.value = wanted;
    this.go.disabled = !value.choices.length;
    this.maps.hidden = this.below.hidden = !value.other;
    for (const element of this.looking) element.hidden = !value.other;
    this.intro.hidden = Boolean(value.other);
    this.problem.hidden = true;
    if (this.untold && offered(this.before.with) && value.other?.choice !== this.before.with) {
      this.with.value = this.before.with;
      this.ask();
    }
    this.untold = false;
    if (value.other) await this.load(value);
    else this.introduce(await this.api.about());
  }

  // What the address says of these texts; it holds until all of it is there, or a visitor asks for something else.
  recall(kept) {
    this.before = kept;
    this.untold = true;
    if (kept.colour) this.colouring.picked = kept.colour;
  }

  async takeUp({ rows, selection, text }) {
    this.before = {};
    const { n } = this.about;
    const selected = selection ? await this.api.selected(selection) : rowsOf(rows, n);
    if (selected?.length) await this.select(selected);
    const [row] = rowsOf(text, n);
    if (row !== undefined) await this.focus(row);
  }

  remember() {
    const colour = this.colouring.picked === OVERLAP ? null : this.colouring.picked;
    nowViewed("compare", this.value.id, this.before.with ? this.before : { with: this.value.other?.choice, colour, rows: written(this.selected), selection: this.selectedKey, text: this.row });
  }

  introduce({ n, model }) {
    this.own.textContent = model.id.split("/").pop();
    this.intro.textContent = `Puts the ${n === 1 ? "text" : count(n, "text")} on screen into a second space and lays both maps side by side: how many of a text's ${NEIGHBOURS} nearest both find, which texts moved most, and what each model costs.`;
  }

  async load(value) {
    const { id, layout } = value.other;
    this.second = this.second?.id === id ? this.second : Object.assign(new Api(document.baseURI, id), { id });
    const { api } = this;
    const found = await Promise.all([api.about(layout), api.clusters(layout), api.points(layout), api.aligned(id, layout), api.compared(id)]);
    if (this.value !== value) return;
    let points, aligned;
    [this.about, this.clusters, points, aligned, this.compared] = found;
    this.layoutKey = layout;
    this.own.textContent = this.compared.models[0].label;
    this.compared.models.forEach(({ label, dimensions }, place) => (this.names[place].textContent = `${label} · ${dimensions.toLocaleString("en")} dimensions`));
    const moved = this.painted !== layout;
    if (moved) await Promise.all([this.plots[0].setPoints(points), this.plots[1].setPoints(aligned)]);
    this.painted = layout;
    await this.colouring.choices();
    if (moved) this.plots.forEach((plot, place) => plot.setLabels(this.labels(place ? aligned : points)));
    await this.paint();
    if (this.row !== null) await this.mark();
    this.say(layout);
    this.agreement.totals(this.compared);
    if (this.compared.overlap) await this.list();
    for (const stage of this.stages) stage.dataset.painted = `${layout} ${this.about.n}`;
    Object.assign(this.stages[1].dataset, { with: value.other.choice, overlap: this.compared.overlap ? this.compared.mean : "" });
    if (this.compared.overlap && value.other.choice === this.before.with) await this.takeUp(this.before);
    this.remember();
  }

  say(layout) {
    const method = layout === "pca" ? "PCA" : "UMAP";
    const many = this.about.n > this.plots[0].largest ? ` ${this.plots[0].largest.toLocaleString("en")} of the texts are drawn.` : "";
    const notes = this.compared.models.flatMap(({ notes: some }) => some).join(" ");
    this.message.textContent = `${method}; the right map is turned, mirrored and scaled as one to lie over the left (Procrustes). Names are of the left map's clusters.${many} ${notes}`;
  }

  // The left map's clusters, each where its texts are on the map with these positions.
  labels(positions) {
    return this.clusters.clusters.map((cluster, label) => {
      const rows = this.clusters.labels.flatMap((one, row) => (one === label ? [row] : []));
      const sorted = [0, 1].map((axis) => rows.map((row) => positions[2 * row + axis]).sort((one, two) => one - two));
      const [low, at, high] = [0.05, 0.5, 0.95].map((share) => sorted.map((values) => values[Math.round(share * (values.length - 1))]));
      return { ...cluster, low, at, high };
    });
  }

  setColours(choices, chosen) {
    this.colour.replaceChildren(...choices.map(([value, name]) => make("option", { value, textContent: name })));
    this.colour.value = chosen;
  }

  async recolour(name) {
    this.colouring.picked = name;
    await this.colouring.choices();
    await this.paint();
    this.remember();
  }

  async paint() {
    const { codes, colourOf } = this.colouring;
    const selected = this.selected && new Set(this.selected);
    const { kept } = this.legend;
    const strength = (row) => (kept.size && codes && !kept.has(codes[row]) ? 0 : selected && !selected.has(row) ? 0.1 : 1);
    await Promise.all(this.plots.map((plot) => plot.setLook(colourOf, strength)));
  }

  async repaint() {
    if (!this.about) return;
    await this.colouring.choices();
    await Promise.all(this.plots.map((plot) => plot.repaint()));
    await this.paint();
  }

  setMode(mode) {
    for (const tool of this.tools) tool.setAttribute("aria-pressed", String(tool.dataset.mode === mode));
    this.plots.forEach((plot) => plot.setMode(mode));
  }

  // Rows lassoed on either map; null for all again.
  async select(rows) {
    if (!this.about || (rows && !rows.length)) return;
    if (!rows && !this.selected && this.row !== null) {
      this.row = null;
      await Promise.all(this.plots.map((plot) => plot.setFocus(null)));
      this.agreement.unfocus();
    }
    this.selected = rows;
    this.selectedKey = null;
    await this.paint();
    if (this.compared.overlap) await this.list();
    if (rows && !written(rows)) {
      const { key } = await this.api.selection(rows);
      if (this.selected !== rows) return;
      this.selectedKey = key;
    }
    this.remember();
  }

  list() {
    const { overlap, moved, k } = this.compared;
    const size = (row) => (Number.isFinite(overlap[row]) ? overlap[row] : 2);
    const rows = this.selected ? [...this.selected].sort((one, two) => size(one) - size(two)) : moved;
    const title = this.selected ? `${count(rows.length, "text")} selected` : "Moved most";
    return this.agreement.list(this.api, { title, rows, overlap, k, clear: Boolean(this.selected) });
  }

  async focus(row) {
    this.row = row;
    const near = await Promise.all([this.api, this.second].map((api) => api.neighbours(row, NEIGHBOURS)));
    if (this.row !== row) return;
    this.near = near.map(({ rows }) => rows);
    await this.mark();
    this.plots.forEach((plot) => plot.bringIntoView(row));
    await this.agreement.focus(this.api, row, near, this.compared);
    for (const stage of this.stages) stage.dataset.focus = row;
    this.remember();
  }

  mark() {
    return Promise.all(this.plots.map((plot, place) => plot.setFocus(this.row, this.near[place])));
  }

  async describe(row) {
    const [text] = await this.api.rows([row]);
    const { overlap } = this.compared;
    const shared = overlap && Number.isFinite(overlap[row]) ? [make("div", { className: "tx-beside" }, make("b", { textContent: "shared neighbours" }), ` ${Math.round(overlap[row] * this.most)}`)] : [];
    return [make("div", { textContent: text.text.slice(0, 280) + (text.text.length > 280 ? "…" : ""), dir: "auto" }), ...shared];
  }

  async picture(format) {
    const { color, backgroundColor } = getComputedStyle(this.stages[0]);
    const charts = await Promise.all(this.plots.map((plot) => plot.picture("svg", backgroundColor, color)));
    const figures = charts.map((address, place) => ({ name: this.names[place].textContent, chart: fromAddress(address) }));
    await savePicture(sheet(figures, this.stages[0], { across: true }), format, "tessera-two-models");
  }

  async guarded(run) {
    try {
      return await run();
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      this.problem.textContent = error.message;
      this.problem.hidden = false;
      this.problem.scrollIntoView({ block: "nearest" });
      return undefined;
    }
  }
}

export function mount(element, { watch, trigger, props }, plotly) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("compare.css", import.meta.url).href;
  document.head.append(style);
  let comparing = null;
  const show = () => {
    const value = props.value ? JSON.parse(props.value) : null;
    if (!value?.id) return;
    comparing ??= new Comparing(element.querySelector(".tx"), plotly, trigger);
    comparing.guarded(() => comparing.show(value));
  };
  watch("value", show);
  show();
}
