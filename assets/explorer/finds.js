// Lists that select on the map: most similar pairs, groups of near-duplicates, outliers.

import { count, debounced, make } from "./dom.js";
import { Waiting } from "./waiting.js";

const START_LEAST = 0.95;
const MOST = 50; // pairs
const K = 10;
const SHOWN_OF_GROUP = 3;
const button = (textContent, click, more = {}) => make("button", { type: "button", textContent, on: { click }, ...more });

// What the three have in common: a body to draw in, work that is waited for, rows as text.
class Finds {
  constructor(body, { guarded, onMap, onPair, tell }) {
    Object.assign(this, { body, guarded, onMap, onPair, tell });
    this.list = make("ol", { className: "tx-rows" });
    this.note = make("p", { className: "tx-note", role: "status" });
    this.waiting = new Waiting(this.what, () => this._stopped());
  }

  forget(api) {
    this.waiting.stop();
    this.api = api;
    this.done = false;
    this.list.replaceChildren();
    delete this.body.dataset.found;
  }

  // What of its controls the address holds, and back; most have none.
  get state() {
    return {};
  }

  recall() {}

  // When it comes into view: once for these texts.
  open() {
    if (!this.done && this.api) return this.guarded(() => this.find());
    return undefined;
  }

  leave() {
    this.waiting.stop();
  }

  _stopped() {
    this.note.replaceChildren("Cancelled. ", button("Go on", () => this.open()));
  }

  _texts(rows) {
    const { texts } = this.api;
    return rows.map((row) => make("span", { className: "tx-text", textContent: texts.get(row)?.text ?? "", dir: "auto" }));
  }

  _heading(title, rows) {
    return make("div", { className: "tx-heading" }, make("h2", { textContent: title }), rows);
  }
}

export class MostSimilar extends Finds {
  what = "Comparing each text with each:";

  constructor(body, calls) {
    super(body, calls);
    this.most = make("select", { "aria-label": "How many pairs" }, ...[20, 50, 200].map((n) => make("option", { value: n, textContent: `${n} pairs`, selected: n === MOST })));
    this.equal = make("input", { type: "checkbox", id: "sx-equal" });
    this.all = button("Show all on the map", () => this.onMap([...new Set(this.pairs.flatMap(([left, right]) => [left, right]))], `Most similar: ${count(this.pairs.length, "pair")}`, this.note.textContent));
    for (const control of [this.most, this.equal]) control.addEventListener("change", () => this.guarded(() => this._fill()));
    body.replaceChildren(this._heading("Most similar pairs", this.all), make("div", { className: "sx-controls" }, this.most, make("label", { htmlFor: "sx-equal" }, this.equal, "equal texts too")), this.note, this.waiting.element, this.list);
  }

  get state() {
    return { most: this.most.value, equal: this.equal.checked ? "1" : "" };
  }

  recall({ most, equal }) {
    this.most.value = [...this.most.options].some(({ value }) => value === most) ? most : MOST;
    this.equal.checked = equal === "1";
  }

  async find() {
    const { api } = this;
    this.note.textContent = "";
    const found = await this.waiting.run(api, "/similarity/find-pairs", {});
    if (!found || api !== this.api) return;
    this.found = found;
    this.done = true;
    await this._fill();
  }

  async _fill() {
    const { api } = this;
    if (!this.done) return;
    const pairs = await api.post("/similarity/pairs", { most: Number(this.most.value), equal: this.equal.checked });
    await api.rows([...new Set(pairs.flatMap(([left, right]) => [left, right]))]);
    if (api !== this.api) return;
    this.pairs = pairs;
    this.all.hidden = !pairs.length;
    const again = this.found.n - this.found.distinct;
    const equal = again ? ` ${count(again, "text")} equal to one before, letter for letter.` : "";
    const { said } = this.found;
    this.note.textContent = `${pairs.length ? "By cosine in all dimensions, best first." : "There is no pair of different texts."}${equal}${said ? ` ${said}` : ""}`;
    this.list.replaceChildren(...pairs.map((pair) => this._item(pair)));
    this.body.dataset.found = pairs.length;
    this.tell({ did: "pairs" });
  }

  _item([left, right, score]) {
    return make(
      "li",
      { className: "tx-row sx-row" },
      make("button", { type: "button", title: "Show both on the map", on: { click: () => this.onMap([left, right], `Two texts, cosine ${score.toFixed(3)}`, "From the list of most similar pairs.") } }, make("span", { className: "tx-score", textContent: score.toFixed(3) }), ...this._texts([left, right])),
      button("Compare", () => this.onPair(left, right), { className: "sx-compare" }),
    );
  }
}

export class NearDuplicates extends Finds {
  what = "Comparing each text with each:";

  constructor(body, calls) {
    super(body, calls);
    this.slider = make("input", { type: "range", max: 1, step: 0.001, id: "sx-least", "aria-label": "Least cosine of near-duplicates" });
    this.least = make("output", { htmlFor: "sx-least" });
    this.count = make("p", { className: "sx-count", role: "status" });
    this.all = button("Show all on the map", () => this.guarded(() => this._showAll()));
    this.files = {};
    const link = (which, suffix, textContent) => (this.files[`${which}.${suffix}`] = make("a", { textContent, download: "" }));
    const keep = make(
      "details",
      { className: "tx-menu tx-save sx-keep" },
      make("summary", { textContent: "Keep one" }),
      make("div", {}, make("p", { className: "tx-note", textContent: "Of every group the first text stays. Nothing changes here: these are files." }), link("kept", "csv", "Texts that stay, CSV"), link("kept", "jsonl", "Texts that stay, JSONL"), link("removed", "csv", "Texts that go, CSV"), link("removed", "jsonl", "Texts that go, JSONL")),
    );
    keep.addEventListener("click", (event) => event.target.closest("a") && (keep.open = false));
    const changed = debounced(() => this.guarded(() => this._fill()), 60);
    this.slider.addEventListener("input", () => (this._say(), changed()));
    this.tools = make("div", { className: "sx-controls", hidden: true }, make("label", { htmlFor: "sx-least" }, "Least cosine", this.slider), this.least, keep);
    body.replaceChildren(this._heading("Near-duplicates", this.all), this.note, this.waiting.element, this.tools, this.count, this.list);
  }

  forget(api) {
    super.forget(api);
    this.tools.hidden = this.all.hidden = true;
    this.count.textContent = "";
  }

  get state() {
    return { least: this.done ? this.slider.value : this.wanted };
  }

  recall({ least }) {
    this.wanted = Number(least) > 0 ? Number(least) : null;
  }

  async find() {
    const { api } = this;
    this.note.textContent = "";
    const found = await this.waiting.run(api, "/similarity/find-pairs", {});
    if (!found || api !== this.api) return;
    this.done = true;
    this.found = found;
    // Never below what is known; a cosine is at most 1.
    const lowest = found.all ? Math.min(Math.max(found.lowest, 0), START_LEAST) : found.lowest;
    this.low = Math.min(Math.ceil(lowest * 1000) / 1000, 1);
    this.slider.min = this.low;
    this.slider.value = Math.max(this.wanted ?? START_LEAST, this.low);
    this.tools.hidden = false;
    const ends = found.lowest > 1 - 1e-6 ? " Of the pairs with a cosine of 1 not all are known." : ` Pairs are known down to ${this.low.toFixed(3)}, where the slider ends.`;
    const known = found.all ? "" : ends;
    this.note.textContent = `Texts joined, directly or through others, by pairs of at least this cosine; the ends of a long chain may be less alike.${known}${found.said ? ` ${found.said}` : ""}`;
    this._say();
    await this._fill();
  }

  value() {
    return Number(this.slider.value);
  }

  _say() {
    this.least.textContent = `≥ ${this.value().toFixed(3)}`;
    for (const [name, link] of Object.entries(this.files)) link.href = `${this.api.root}/similarity/${name}?least=${this.value().toFixed(6)}`;
  }

  async _fill() {
    const { api } = this;
    const least = this.value();
    const found = await api.post("/similarity/groups", { least });
    await api.rows(found.listed.flatMap(({ rows }) => rows.slice(0, SHOWN_OF_GROUP)));
    if (api !== this.api || least !== this.value()) return;
    const equal = found.equal ? ` ${count(found.equal, "text")} equal to one before, letter for letter, ${found.equal === 1 ? "is" : "are"} among them.` : "";
    this.count.textContent = found.groups ? `${count(found.pairs, "pair")} in ${count(found.groups, "group")}; to keep one of each, ${count(found.removed, "text")} would go.${equal}` : "No two texts are that alike. Move the slider to the left.";
    this.all.hidden = !found.groups;
    this.list.replaceChildren(...found.listed.map((group) => this._item(group)));
    if (found.groups > found.listed.length) this.list.append(make("li", { className: "tx-note", textContent: `The ${found.listed.length} largest groups are listed; the files and the map have all.` }));
    this.body.dataset.found = `${least.toFixed(3)} ${found.groups}`;
    this.tell({ did: "duplicates", value: least });
  }

  _item({ rows, size, equal }) {
    const title = `${count(size, "text")}${equal ? ", equal letter for letter" : ""}`;
    const more = size > SHOWN_OF_GROUP ? [make("span", { className: "tx-cells", textContent: `and ${(size - SHOWN_OF_GROUP).toLocaleString("en")} more` })] : [];
    const select = () => this.onMap(rows, `Near-duplicates: ${title}`, size > rows.length ? `The first ${rows.length} of ${size}.` : `Joined by a cosine of at least ${this.value().toFixed(3)}.`);
    return make(
      "li",
      { className: "tx-row sx-row" },
      make("button", { type: "button", title: "Show on the map", on: { click: select } }, make("span", { className: "sx-size", textContent: title }), ...this._texts(equal ? rows.slice(0, 1) : rows.slice(0, SHOWN_OF_GROUP)), ...(equal ? [] : more)),
      size === 2 && !equal ? button("Compare", () => this.onPair(rows[0], rows[1]), { className: "sx-compare" }) : null,
    );
  }

  async _showAll() {
    const rows = await this.api.post("/similarity/group-rows", { least: this.value() });
    this.onMap(rows, `${count(rows.length, "text")} with near-duplicates`, `Joined by a cosine of at least ${this.value().toFixed(3)}, group by group.`);
  }
}

export class Outliers extends Finds {
  what = "Finding the nearest texts of each:";

  constructor(body, calls) {
    super(body, calls);
    this.k = make("input", { type: "number", min: 1, max: 100, value: K, id: "sx-k" });
    this.k.addEventListener("change", () => this.k.reportValidity() && this.guarded(() => this.find()));
    this.all = button("Show all on the map", () => this.onMap(this.rows, `Outliers: ${count(this.rows.length, "text")}`, this.note.textContent), { hidden: true });
    body.replaceChildren(this._heading("Outliers", this.all), make("div", { className: "sx-controls" }, make("label", { htmlFor: "sx-k" }, "Distance to neighbour number", this.k)), this.note, this.waiting.element, this.list);
  }

  get state() {
    return { k: this.k.value };
  }

  recall({ k }) {
    this.k.value = k ?? K;
    if (!this.k.checkValidity()) this.k.value = K;
  }

  async find() {
    const { api } = this;
    this.note.textContent = "";
    const found = await this.waiting.run(api, "/similarity/outliers", { k: Number(this.k.value), most: 100 });
    if (!found || api !== this.api) return;
    await api.rows(found.rows);
    if (api !== this.api) return;
    this.done = true;
    this.rows = found.rows;
    this.all.hidden = !found.k;
    this.note.textContent = found.k
      ? `Cosine distance (1 − cosine) to the ${ordinal(found.k)} nearest text, farthest first; for the middle text it is ${found.median.toFixed(3)}.${found.said ? ` ${found.said}` : ""}`
      : "One text has no neighbours: bring more to find outliers.";
    this.list.replaceChildren(...(found.k ? found.rows : []).map((row, place) => this._item(row, found.scores[place])));
    this.body.dataset.found = `${found.k} ${found.rows.length}`;
    if (found.k) this.tell({ did: "outliers", value: found.k });
  }

  _item(row, score) {
    return make(
      "li",
      { className: "tx-row" },
      make("button", { type: "button", title: "Show on the map", on: { click: () => this.onMap([row], "Outlier", `Cosine distance ${score.toFixed(4)} to neighbour number ${this.k.value}.`) } }, make("span", { className: "tx-score", textContent: score.toFixed(3) }), ...this._texts([row])),
    );
  }
}

function ordinal(n) {
  const last = n % 100 > 10 && n % 100 < 14 ? 0 : n % 10;
  return `${n}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}
