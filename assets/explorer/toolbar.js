// Above the map: search, colours, tools, layout. Each control is a plain HTML one.

import { make } from "./dom.js";

const MODES = { semantic: "Meaning", hybrid: "Meaning + words", keyword: "Words (BM25)", regex: "Pattern (regex)" };
const LAYOUTS = { umap: "UMAP", tsne: "t-SNE", pca: "PCA" };
const TOOLS = { pan: "Move", lasso: "Lasso", select: "Box" };
const FILES = { csv: "CSV", jsonl: "JSONL", parquet: "Parquet", npz: "NPZ (numpy)", projector: "TSV pair (Embedding Projector)", html: "HTML, opens offline" };
const BINS = 48;
const PARAMETERS = [
  ["n_neighbors", "Neighbours", 2, 100, 1, 15, "UMAP: how many nearest texts hold each one. Few show detail, many the whole."],
  ["min_dist", "Least distance", 0, 0.99, 0.01, 0.1, "UMAP: how close dots may lie. 0 packs groups, more spreads them."],
  ["perplexity", "Perplexity", 2, 100, 1, 30, "t-SNE: about how many neighbours each text listens to."],
  ["seed", "Seed", 0, 9999, 1, 42, "The same seed gives the same map of the same texts."],
];

export class Toolbar {
  constructor({ onSearch, onStep, onClear, onColour, onMode, onLayout, onAll, onThreshold, onPicture }) {
    this.query = make("input", { type: "search", placeholder: "Search these texts   /", maxLength: 4000, id: "tx-query", "aria-label": "Search these texts", autocomplete: "off" });
    this.mode = select(MODES, "How to search", "tx-mode");
    this.colour = make("select", { id: "tx-colour", "aria-label": "Colour by" });
    this.layout = select(LAYOUTS, "Layout", "tx-layout");
    this.hits = make("span", { className: "tx-hits", role: "status" });
    this.histogram = make("canvas", { width: BINS, height: 20, className: "tx-histogram", role: "img", "aria-label": "How many texts have which score" });
    this.threshold = make("input", { type: "range", min: 0, max: 1000, "aria-label": "Least score of a hit", id: "tx-threshold" });
    this.shownThreshold = make("output", { htmlFor: "tx-threshold" });
    const step = (by, text, title) => make("button", { type: "button", textContent: text, title, "aria-label": title, on: { click: () => onStep(by) } });
    this.found = make(
      "div",
      { className: "tx-found", hidden: true },
      this.hits,
      make("span", { className: "tx-slider" }, this.histogram, this.threshold),
      this.shownThreshold,
      step(-1, "‹", "Hit before this"),
      step(1, "›", "Next hit"),
      make("button", { type: "button", textContent: "Clear", on: { click: onClear } }),
    );
    this.tools = Object.entries(TOOLS).map(([mode, name]) =>
      make("button", { type: "button", textContent: name, "aria-pressed": String(mode === "pan"), "data-mode": mode, on: { click: () => this.setMode(mode) } }),
    );
    this.onMode = onMode;
    const settings = this._settings(onLayout);
    this.form = make(
      "form",
      { className: "tx-search", role: "search", on: { submit: (event) => (event.preventDefault(), onSearch(false)) } },
      this.query,
      this.mode,
      make("button", { type: "submit", textContent: "Search", className: "primary" }),
    );
    this.element = make(
      "div",
      { className: "tx-toolbar" },
      this.form,
      make("label", { className: "tx-pick" }, "Colour", this.colour),
      make("label", { className: "tx-pick" }, "Layout", this.layout),
      settings,
      make("div", { className: "tx-tools", role: "group", "aria-label": "What dragging does" }, ...this.tools),
      make("button", { type: "button", textContent: "Show all", on: { click: onAll } }),
      this._save(onPicture),
      this.found,
    );
    this.colour.addEventListener("change", () => onColour(this.colour.value, this.colour.selectedOptions[0].textContent));
    this.layout.addEventListener("change", () => onLayout(this.options()));
    this.mode.addEventListener("change", () => this.query.value.trim() && onSearch(true));
    this.threshold.addEventListener("input", () => onThreshold(this._least()));
  }

  setMode(mode) {
    for (const tool of this.tools) tool.setAttribute("aria-pressed", String(tool.dataset.mode === mode));
    this.onMode(mode);
  }

  options() {
    const values = Object.fromEntries(Object.entries(this.parameters).map(([name, input]) => [name, Number(input.value)]));
    return { method: this.layout.value, ...values };
  }

  setColours(colours, chosen) {
    this.colour.replaceChildren(...colours.map(([value, name]) => make("option", { value, textContent: name, selected: value === chosen })));
    this.colour.value = chosen;
  }

  // Scores of every text; the slider sets the least one that still counts as a hit.
  setScores(scores, sliding, least) {
    this.found.hidden = false;
    this.histogram.parentElement.hidden = this.shownThreshold.hidden = !sliding;
    if (!sliding) return;
    const sorted = Float32Array.from(scores).sort();
    [this.low, this.high] = [sorted[0], sorted[sorted.length - 1]];
    const bins = new Array(BINS).fill(0);
    for (const score of scores) bins[Math.min(BINS - 1, Math.floor(((score - this.low) / (this.high - this.low || 1)) * BINS))] += 1;
    const pen = this.histogram.getContext("2d");
    pen.clearRect(0, 0, BINS, 20);
    pen.fillStyle = "#8a919c";
    const most = Math.max(...bins);
    bins.forEach((bin, place) => bin && pen.fillRect(place, 20 - Math.max(1, (bin / most) * 20), 1, 20));
    this.threshold.value = Math.round(((least - this.low) / (this.high - this.low || 1)) * 1000);
    this.shownThreshold.textContent = `≥ ${least.toFixed(2)}`;
  }

  _least() {
    const least = this.low + (Number(this.threshold.value) / 1000) * (this.high - this.low);
    this.shownThreshold.textContent = `≥ ${least.toFixed(2)}`;
    return least;
  }

  // Where the files of the texts on screen are to be had.
  // Places that a file brought are one more layout to choose.
  offerFile(there, here) {
    const option = this.layout.querySelector("option[value=file]");
    if (there && !option) this.layout.append(make("option", { value: "file", textContent: "From the file" }));
    if (!there) option?.remove();
    if (here) this.layout.value = "file";
  }

  setFiles(addressOf) {
    for (const [format, link] of Object.entries(this.files)) link.href = addressOf(format);
  }

  _save(onPicture) {
    this.files = Object.fromEntries(Object.entries(FILES).map(([format, textContent]) => [format, make("a", { textContent, download: "" })]));
    const pictures = ["png", "svg"].map((format) => make("button", { type: "button", textContent: `${format.toUpperCase()} of the map`, on: { click: () => onPicture(format) } }));
    const details = make("details", { className: "tx-menu tx-save" }, make("summary", { textContent: "Save" }), make("div", {}, ...Object.values(this.files), ...pictures));
    details.addEventListener("click", (event) => event.target.closest("a, button") && (details.open = false));
    return details;
  }

  _settings(onLayout) {
    this.parameters = {};
    const fields = PARAMETERS.map(([name, label, min, max, step, value, said]) => {
      this.parameters[name] = make("input", { type: "number", min, max, step, value, id: `tx-${name}` });
      return make("label", { className: "tx-parameter" }, make("b", { textContent: label }), this.parameters[name], make("small", { textContent: said }));
    });
    const apply = make("button", { type: "button", className: "primary", textContent: "Lay out again" });
    const details = make("details", { className: "tx-menu tx-settings" }, make("summary", { textContent: "⚙", title: "Settings of the layout", "aria-label": "Settings of the layout" }), make("div", {}, ...fields, apply));
    apply.addEventListener("click", () => {
      if (!Object.values(this.parameters).every((input) => input.reportValidity())) return;
      details.open = false;
      onLayout(this.options());
    });
    return details;
  }
}

function select(choices, label, id) {
  return make("select", { id, "aria-label": label }, ...Object.entries(choices).map(([value, textContent]) => make("option", { value, textContent })));
}
