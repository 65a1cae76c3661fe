// Above the map: search, colours, tools, layout. Each control is a plain HTML one.

import { make } from "./dom.js";
import { Histogram } from "./histogram.js";
import { tend } from "./menus.js";
import { saveMenu } from "./saving.js";
import { LayoutSettings } from "./settings.js";

const MODES = { semantic: "Meaning", hybrid: "Meaning + words", keyword: "Words (BM25)", regex: "Pattern (regex)" };
const LAYOUTS = { umap: "UMAP", tsne: "t-SNE", pca: "PCA" };
const TOOLS = { pan: "Move", lasso: "Lasso", select: "Box" };
const FILES = { csv: "CSV", jsonl: "JSONL", parquet: "Parquet", npz: "NPZ (numpy)", projector: "TSV pair (Embedding Projector)", html: "HTML, opens offline" };
const NAMES = { name: "Keywords", nearest: "Text nearest the centre", none: "None" };

export class Toolbar {
  constructor({ onSearch, onStep, onClear, onColour, onMode, onLayout, onAll, onThreshold, onPicture, onScores, onDimensions, onNames, onContours, onTable }) {
    this.query = make("input", { type: "search", placeholder: "Search these texts   /", maxLength: 4000, id: "tx-query", "aria-label": "Search these texts", autocomplete: "off" });
    this.mode = select(MODES, "How to search", "tx-mode");
    this.colour = make("select", { id: "tx-colour", "aria-label": "Colour by" });
    this.layout = select(LAYOUTS, "Layout", "tx-layout");
    this.hits = make("span", { className: "tx-hits", role: "status" });
    this.histogram = new Histogram();
    this.threshold = make("input", { type: "range", min: 0, max: 1000, "aria-label": "Least score of a hit", id: "tx-threshold" });
    this.shownThreshold = make("output", { htmlFor: "tx-threshold" });
    const step = (by, text, title) => make("button", { type: "button", className: "tx-step", textContent: text, title, "aria-label": title, on: { click: () => onStep(by) } });
    this.found = make(
      "div",
      { className: "tx-found", hidden: true },
      this.hits,
      make("span", { className: "tx-slider" }, this.histogram.element, this.threshold),
      this.shownThreshold,
      step(-1, "‹", "Hit before this"),
      step(1, "›", "Next hit"),
      make("button", { type: "button", textContent: "Clear", on: { click: onClear } }),
    );
    this.tools = Object.entries(TOOLS).map(([mode, name]) =>
      make("button", { type: "button", textContent: name, "aria-pressed": String(mode === "pan"), "data-mode": mode, on: { click: () => this.setMode(mode) } }),
    );
    this.onMode = onMode;
    this.settings = new LayoutSettings(() => onLayout(this.options()));
    this.dimensions = [2, 3].map((number) =>
      make("button", { type: "button", textContent: `${number}-D`, "aria-pressed": String(number === 2), "data-dimensions": number, on: { click: () => onDimensions(number) } }),
    );
    this.ways = Object.entries({ Map: false, Table: true }).map(([name, table]) => make("button", { type: "button", textContent: name, "aria-pressed": String(!table), on: { click: () => onTable(table) } }));
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
      make("div", { className: "tx-tools", role: "group", "aria-label": "Show the texts as" }, ...this.ways),
      make("label", { className: "tx-pick" }, "Colour", this.colour),
      make("label", { className: "tx-pick" }, "Layout", this.layout),
      make("div", { className: "tx-tools tx-map-only", role: "group", "aria-label": "Dimensions" }, ...this.dimensions),
      this.settings.element,
      this._view(onNames, onContours),
      make("div", { className: "tx-tools tx-map-only", role: "group", "aria-label": "What dragging does" }, ...this.tools),
      make("button", { type: "button", className: "tx-map-only", textContent: "⤢", title: "Show all", "aria-label": "Show all", on: { click: onAll } }),
      this._save(onPicture, onScores),
      this.found,
    );
    tend(this.element);
    this.colour.addEventListener("change", () => onColour(this.colour.value, this.colour.selectedOptions[0].textContent));
    this.layout.addEventListener("change", () => onLayout(this.options()));
    this.mode.addEventListener("change", () => this.query.value.trim() && onSearch(true));
    this.threshold.addEventListener("input", () => onThreshold(this._least()));
  }

  setMode(mode) {
    for (const tool of this.tools) tool.setAttribute("aria-pressed", String(tool.dataset.mode === mode));
    this.onMode(mode);
  }

  // Of a table's rows the layout still says which clusters there are; what only a picture has is put away.
  showAs(table) {
    this.ways.forEach((button, place) => button.setAttribute("aria-pressed", String(table === Boolean(place))));
    this.element.dataset.as = table ? "table" : "map";
  }

  // What the controls ask for, in as many dimensions as are on screen unless others are wanted.
  options(dimensions = this.shownDimensions) {
    const { value: method } = this.layout;
    return { method, dimensions: method === "axes" ? 2 : dimensions, ...this.settings.values };
  }

  get shownDimensions() {
    return Number(this.dimensions.find((button) => button.getAttribute("aria-pressed") === "true").dataset.dimensions);
  }

  // The controls say what is on screen; a space is turned by dragging, so there is nothing to draw a lasso on.
  showLayout(options, dimensions) {
    if (options.method) this.layout.value = options.method;
    this.settings.show(options);
    for (const button of this.dimensions) button.setAttribute("aria-pressed", String(Number(button.dataset.dimensions) === dimensions));
    for (const tool of this.tools) {
      tool.disabled = dimensions === 3 && tool.dataset.mode !== "pan";
      tool.title = tool.disabled ? "In 2-D only: in 3-D, dragging turns the map" : "";
    }
    if (dimensions === 3) this.setMode("pan");
    this.contours.disabled = dimensions === 3;
  }

  setColours(colours, chosen) {
    this.colour.replaceChildren(...colours.map(([value, name]) => make("option", { value, textContent: name, selected: value === chosen })));
    this.colour.value = chosen;
  }

  setNothing() {
    this.found.hidden = true;
    this._slides(false);
  }

  // How many were found, in words; without any there is none to walk to.
  setHits(sentence, some) {
    this.hits.textContent = sentence;
    this.found.toggleAttribute("data-empty", !some);
  }

  // A search that could not be done.
  setProblem(sentence) {
    this.found.hidden = false;
    this.found.dataset.problem = "";
    this._slides(false);
    this.hits.textContent = sentence;
  }

  // Scores of every text; the slider sets the least one that still counts as a hit.
  setScores(scores, sliding, least) {
    this.found.hidden = false;
    delete this.found.dataset.problem;
    this._slides(sliding);
    if (!sliding) return;
    this.histogram.show(scores);
    this.setLeast(least);
  }

  _slides(sliding) {
    this.histogram.element.parentElement.hidden = this.shownThreshold.hidden = !sliding;
    for (const button of this.pictures) button.hidden = !sliding;
  }

  setLeast(least) {
    const { low, high } = this.histogram;
    this.threshold.value = Math.round(((least - low) / (high - low || 1)) * 1000);
    this.shownThreshold.textContent = `≥ ${least.toFixed(2)}`;
  }

  _least() {
    const { low, high } = this.histogram;
    const least = low + (Number(this.threshold.value) / 1000) * (high - low);
    this.shownThreshold.textContent = `≥ ${least.toFixed(2)}`;
    return least;
  }

  // Places that a file brought are one more layout to choose.
  offerFile(there, here) {
    const option = this.layout.querySelector("option[value=file]");
    if (there && !option) this.layout.append(make("option", { value: "file", textContent: "From the file" }));
    if (!there) option?.remove();
    if (here) this.layout.value = "file";
  }

  // Where the files of the texts on screen are to be had.
  setFiles(addressOf) {
    for (const [format, link] of Object.entries(this.files)) link.href = addressOf(format);
  }

  _save(onPicture, onScores) {
    this.files = Object.fromEntries(Object.entries(FILES).map(([format, textContent]) => [format, make("a", { textContent, download: "" })]));
    const pictures = ["png", "svg"].map((format) => make("button", { type: "button", className: "tx-map-only", textContent: `${format.toUpperCase()} of the map`, on: { click: () => onPicture(format) } }));
    this.pictures = ["png", "svg"].map((format) => make("button", { type: "button", hidden: true, textContent: `${format.toUpperCase()} of the scores`, on: { click: () => onScores(format) } }));
    return saveMenu([...Object.values(this.files), ...pictures, ...this.pictures]);
  }

  // What stands on and under the dots.
  _view(onNames, onContours) {
    this.names = select(NAMES, "Names of clusters", "tx-names");
    this.contours = make("input", { type: "checkbox", id: "tx-contours" });
    this.names.addEventListener("change", () => onNames(this.names.value));
    this.contours.addEventListener("change", () => onContours(this.contours.checked));
    const said = (sentence) => make("small", { textContent: sentence });
    return make(
      "details",
      { className: "tx-menu tx-view tx-map-only" },
      make("summary", { textContent: "View" }),
      make(
        "div",
        {},
        make("label", { className: "tx-parameter" }, make("b", { textContent: "Names" }), this.names, said("Of clusters: words that set one apart from the others, or its most central text.")),
        make("label", { className: "tx-parameter" }, make("b", { textContent: "Density contours" }), this.contours, said("Lines of equal crowding under the dots of a plane.")),
      ),
    );
  }
}

function select(choices, label, id) {
  return make("select", { id, "aria-label": label }, ...Object.entries(choices).map(([value, textContent]) => make("option", { value, textContent })));
}
