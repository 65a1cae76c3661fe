// The similarity view: which texts the heat map shows, and beside it two of them, or lists of like ones.

import { Api } from "./api.js";
import { count, make } from "./dom.js";
import { MostSimilar, NearDuplicates, Outliers } from "./finds.js";
import { HeatMap } from "./heatmap.js";
import { tend } from "./menus.js";
import { onMap } from "./onmap.js";
import { Pair } from "./pair.js";
import { save, saveMenu } from "./saving.js";
import { Tabs } from "./tabs.js";
import { nowViewed, rowsOf, viewed } from "./viewed.js";

const CHOICES = { spread: "spread over all", rows: "selection on the map", near: "neighbours of the text in focus", clusters: "cluster means" };
const NOTHING = {
  rows: "Nothing is selected. Lasso some points on the map, or search there; then they are shown here.",
  near: "No text is in focus. Click one on the map; then it and its nearest are shown here.",
};
const LISTS = { pair: "Pair", pairs: "Most similar", groups: "Near-duplicates", outliers: "Outliers" };

const style = make("link", { rel: "stylesheet", href: new URL("similarity.css", import.meta.url).href });
document.head.append(style);

class Similarity {
  constructor(root, plotly, trigger) {
    this.trigger = trigger;
    this.choice = make("select", { id: "sx-shown" }, ...Object.entries(CHOICES).map(([value, textContent]) => make("option", { value, textContent })));
    this.choice.addEventListener("change", () => this.load({ shown: this.choice.value }));
    this.back = make("button", { type: "button", textContent: "‹ All clusters", hidden: true, on: { click: () => this.load({ shown: "clusters" }) } });
    this.message = make("p", { className: "tx-message", role: "status" });
    this.heat = new HeatMap(plotly, { onCell: (row, column) => this.open(row, column) });
    const calls = {
      guarded: (run) => this.guarded(run),
      onMap: (rows, title, note) => this.select(rows, title, note),
      onPair: (left, right) => this.compare(left, right),
      tell: (did) => (this.trigger("input", { id: this.id, ...did }), this.remember()),
    };
    this.tabs = new Tabs("sx", "Pairs and lists", LISTS, (id) => this.turnTo(id));
    this.pair = new Pair(this.tabs.bodies.pair, { onMap: (rows) => this.select(rows, "Two texts compared", "From the similarity view.") });
    this.lists = {
      pairs: new MostSimilar(this.tabs.bodies.pairs, calls),
      groups: new NearDuplicates(this.tabs.bodies.groups, calls),
      outliers: new Outliers(this.tabs.bodies.outliers, calls),
    };
    this.tabs.show("pair");
    root.replaceChildren(
      make("div", { className: "tx-toolbar" }, make("label", { className: "tx-pick", htmlFor: "sx-shown" }, "Shown", this.choice), this.back, this._save()),
      make("div", { className: "tx-main sx-main" }, make("div", { className: "tx-left" }, this.message, this.heat.element), this.tabs.element),
    );
    tend(root);
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.seen()).observe(root);
    new MutationObserver(() => this.heat.repaint()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  // Other texts on screen; they are asked for when somebody looks.
  show({ id, n }) {
    if (id === this.id) return;
    Object.assign(this, { id, n, api: new Api(document.baseURI, id), answer: null, asked: null });
    this.choice.options[0].textContent = n > 60 ? CHOICES.spread : `all ${count(n, "text")}`;
    this.pair.forget();
    const kept = viewed("similarity", id);
    this.first = { shown: "auto" };
    if (kept.shown in CHOICES) this.first = { shown: kept.shown };
    if (kept.shown === "between") this.first = { shown: "between", clusters: rowsOf(kept.clusters, Infinity) };
    for (const list of Object.values(this.lists)) {
      list.forget(this.api);
      list.recall(kept);
    }
    this.compared = rowsOf(kept.pair, n);
    this.tabs.show(kept.list in LISTS ? kept.list : "pair");
    if (this.compared.length) this.guarded(() => this.pair.show(this.api, ...this.both));
    if (this.heat.element.clientWidth) this.load(this.first);
  }

  // Rows of the cell that was clicked; of one on the diagonal a text twice.
  get both() {
    return [this.compared[0], this.compared.at(-1)];
  }

  remember() {
    const { shown, clusters } = this.asked ?? this.first;
    const list = this.lists[this.tabs.shown];
    nowViewed("similarity", this.id, {
      shown: shown === "auto" ? null : shown,
      clusters: clusters?.join("."),
      pair: this.compared.join("."),
      ...(list && { list: this.tabs.shown, ...list.state }),
    });
  }

  // Looked at (again): first, or clusters may have come meanwhile, or another selection.
  seen() {
    if (!this.api) return;
    const other = this.answer?.clusters_known && this._layout() !== this.asked.layout;
    if (other && ["auto", "clusters", "between"].includes(this.asked.shown)) return void this.load({ shown: this.asked.shown === "auto" ? "auto" : "clusters" });
    const stale = this.asked?.shown in { rows: 0, near: 0 } && JSON.stringify(this._rows(this.asked.shown)) !== JSON.stringify(this.asked.rows);
    if (!this.answer) this.load(this.first);
    else if (this.asked.shown === "auto" && !this.answer.clusters_known) this.load({ shown: "auto" });
    else if (stale) this.load({ shown: this.asked.shown });
    else this.heat.repaint();
  }

  // Clusters are those of the layout that this visitor has on the map.
  _layout() {
    return onMap.id === this.id ? onMap.layout : "";
  }

  _rows(shown) {
    if (onMap.id !== this.id) return [];
    if (shown === "near") return onMap.row === null ? [] : [onMap.row];
    return shown === "rows" ? [...(onMap.rows ?? [])] : [];
  }

  load(wanted) {
    return this.guarded(async () => {
      const turn = (this.turn = (this.turn ?? 0) + 1);
      const asked = { rows: this._rows(wanted.shown), layout: this._layout(), ...wanted };
      if (wanted.shown in NOTHING && !asked.rows.length) {
        this.choice.value = this.answer?.shown in CHOICES ? this.answer.shown : "spread";
        throw new Error(NOTHING[wanted.shown]);
      }
      const answer = await this.api.post("/similarity/matrix", asked);
      if (turn !== this.turn) return;
      const bytes = Uint8Array.from(atob(answer.scores), (letter) => letter.charCodeAt(0));
      Object.assign(this, { asked, answer: { ...answer, scores: new Float32Array(bytes.buffer) } });
      if (answer.shown in CHOICES) this.choice.value = answer.shown;
      this.back.hidden = answer.shown !== "between";
      this.message.textContent = this._said(answer);
      this.remember();
      await this.heat.draw(this.answer);
    });
  }

  _said({ names, note, kind, scores }) {
    if (kind === "texts" && names.length === 1) return "One text: there is nothing to compare it with. Bring more.";
    const alike = kind === "texts" && this.answer.scores.every((score) => score > 0.9999) ? " These texts are all alike: every cosine is 1." : "";
    return `${note}${alike}`;
  }

  open(row, column) {
    const { kind, ids } = this.answer;
    if (kind === "clusters") return this.load({ shown: "between", clusters: [...new Set([ids[row], ids[column]])] });
    return this.compare(ids[row], ids[column]);
  }

  compare(left, right) {
    this.compared = rowsOf(`${left}.${right}`, this.n);
    this.tabs.show("pair");
    if (left !== right) this.trigger("input", { id: this.id, did: "look", items: [{ row: left }, { row: right }] });
    return this.guarded(() => this.pair.show(this.api, left, right));
  }

  turnTo(id) {
    for (const [name, list] of Object.entries(this.lists ?? {})) if (name === id) list.open();
    else list.leave();
    if (this.id) this.remember();
  }

  select(rows, title, note) {
    document.dispatchEvent(new CustomEvent("tessera:select", { detail: { id: this.id, rows, title, note } }));
  }

  _save() {
    const picture = (format) => [`${format.toUpperCase()} of the heat map`, () => this.guarded(() => this._picture(format))];
    return saveMenu([picture("png"), picture("svg"), ["CSV of the matrix shown", () => this.guarded(() => this._csv())]]);
  }

  async _picture(format) {
    if (this.answer) save(await this.heat.picture(format), `tessera-similarity.${format}`);
  }

  async _csv() {
    if (!this.answer) return;
    save(await this.api.file("/similarity/matrix.csv", this.asked), "tessera-similarity.csv");
  }

  async guarded(run) {
    try {
      delete this.message.dataset.problem;
      return await run();
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      this.message.textContent = error.message;
      this.message.dataset.problem = "failed";
      this.message.scrollIntoView({ block: "nearest" });
      return undefined;
    }
  }
}

export function mount(element, { watch, trigger, props }, plotly) {
  const view = new Similarity(element.querySelector(".tx"), plotly, trigger);
  const show = () => {
    const value = props.value ? JSON.parse(props.value) : null;
    if (value?.id) view.show(value);
  };
  watch("value", show);
  show();
  return view;
}
