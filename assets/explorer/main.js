// The map and what stands around it. The server is asked by `Api`; Gradio only says which texts are on
// screen (`watch`), and hears of a search or another layout (`trigger`), whose code or work it does.

import { remember, restore } from "./address.js";
import { Api, Gone } from "./api.js";
import { DISTINCT, amountColour, accent, groupColour } from "./colours.js";
import { count, debounced, make } from "./dom.js";
import { Legend } from "./legend.js";
import { Panel } from "./panel.js";
import { Plot } from "./plot.js";
import { Searching } from "./searching.js";
import { Toolbar } from "./toolbar.js";

const NEIGHBOURS = 10;
const CLUSTERS = "clusters", SCORE = "score", PLAIN = "plain";

class Explorer {
  constructor(root, plotly, trigger) {
    this.trigger = trigger;
    this.toolbar = new Toolbar({
      onSearch: (fresh) => this.searching.run({ fresh }),
      onStep: (by) => this.searching.step(by),
      onClear: () => this.clear(),
      onColour: (value, name) => this.guarded(() => ((this.picked = name), this.colourBy(value))),
      onMode: (mode) => this.plot?.setMode(mode),
      onLayout: (options) => this.trigger("input", { layout: options }),
      onAll: () => this.plot.showAll(),
      onPicture: (format) => this.guarded(() => this.savePicture(format)),
      onThreshold: debounced((least) => this.guarded(() => this.searching.setLeast(least)), 60),
    });
    this.panel = new Panel({
      onRow: (row) => this.guarded(() => this.focus(row)),
      onValue: (value, column) => this.chose(value, column),
    });
    this.legend = new Legend(() => this.paint());
    this.stage = make("div", { className: "tx-plot", tabIndex: 0, role: "application", "aria-label": "Map of the texts. Arrow keys walk from a text through its neighbours." });
    this.message = make("p", { className: "tx-message", role: "status" });
    root.replaceChildren(
      this.toolbar.element,
      make("div", { className: "tx-main" }, make("div", { className: "tx-left" }, this.stage, this.legend.element, this.message), this.panel.element),
    );
    this.plot = new Plot(this.stage, plotly, {
      onClick: (row) => this.guarded(() => this.focus(row)),
      onSelect: (rows) => this.guarded(() => this.select(rows)),
      describe: (row) => this.describe(row),
    });
    this.searching = new Searching(this);
    this.forget();
    this.wanted = new URLSearchParams(location.search);
    document.addEventListener("keydown", (event) => this.key(event));
    new MutationObserver(() => this.repaint()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  forget() {
    this.searching.forget();
    this.row = null;
    this.near = [];
    this.selected = null;
  }

  // Texts on screen: other ones, or more of the same, or another layout of the same.
  async show({ id, layout }) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const api = id === this.id ? this.api : new Api(document.baseURI, id);
    const about = await api.about(layout);
    const key = layout ?? about.layout;
    const [points, clusters] = await Promise.all([api.points(key), about.whole ? api.clusters(key) : { labels: [], clusters: [] }]);
    if (turn !== this.turn) return;
    const fresh = id !== this.id;
    const grown = fresh || about.n !== this.about.n;
    Object.assign(this, { id, api, about, clusters, layoutKey: key });
    this.panel.api = api;
    this.toolbar.setFiles((format) => `${api.root}/export/${format}?layout=${encodeURIComponent(key)}`);
    if (fresh) {
      this.forget();
      this.picked = this.wanted.get("data") === id ? this.wanted.get("colour") : null;
      this.toolbar.found.hidden = true;
      this.panel.explain("Neighbours", "Click a point on the map, or a text in the list, to see the texts nearest to it.");
      this.panel.explain("Vector", "Click a point on the map, or a text in the list, to see its vector.");
      await this.plot.setFocus(null);
    }
    this.say(about);
    const method = key.split("-")[0];
    if (method in { umap: 0, tsne: 0, pca: 0 }) this.toolbar.layout.value = method;
    await this.plot.setPoints(points, { tween: !fresh });
    await this.choices();
    this.plot.setLabels(clusters.clusters);
    if (this.row !== null) await this.plot.setFocus(this.row, this.near);
    if (grown) await this.everything();
    await this.paint();
    this.stage.dataset.painted = `${key} ${about.n}`;
    const wanted = this.wanted;
    if (fresh && about.whole) this.wanted = new URLSearchParams();
    if (fresh && about.whole && wanted.get("data") === id) await restore(this, wanted);
    this.remember();
  }

  say({ n, model, truncated, explained_share: share }) {
    const many = n > this.plot.largest ? ` ${this.plot.largest.toLocaleString("en")} of them are drawn, all are searched.` : "";
    const cut = truncated ? ` ${count(truncated, "text")} longer than ${model.max_tokens} tokens, cut there.` : "";
    const what = {
      umap: "UMAP: neighbours stay neighbours; distances between groups mean little.",
      tsne: "t-SNE: neighbours stay neighbours; sizes of and distances between groups mean little.",
      pca: share === null ? "PCA: these vectors don't differ, so they are one point." : `PCA: these two directions hold ${Math.round(share * 100)} % of what sets the vectors apart.`,
    }[this.layoutKey.split("-")[0]];
    const svg = this.plot.webgl ? "" : " This browser has no WebGL, so the map is drawn more slowly.";
    this.message.textContent = `${what}${cut}${many}${svg}`;
  }

  async choices() {
    const named = this.clusters.clusters.length ? [[CLUSTERS, "clusters"]] : [];
    const scored = this.searching.scores ? [[SCORE, "search score"]] : [];
    const columns = this.about.colours.map((colour, number) => [String(number), colour.name]);
    const choices = [...scored, ...named, ...columns, [PLAIN, "one colour"]];
    // Of the columns whose every group has a colour of its own, the one that says most.
    const groups = (number) => (this.about.colours[number].kind === "group" ? this.about.colours[number].groups : 0);
    const first = columns.filter((_, number) => groups(number)).sort(([one], [two]) => (groups(two) <= DISTINCT) - (groups(one) <= DISTINCT) || (groups(one) <= DISTINCT ? groups(two) - groups(one) : groups(one) - groups(two)))[0];
    // By name: while texts still come, columns change places.
    const picked = choices.find(([, name]) => name === this.picked);
    const chosen = picked?.[0] ?? first?.[0] ?? named[0]?.[0] ?? PLAIN;
    this.toolbar.setColours(choices, chosen);
    await this.colourBy(chosen, { paint: false });
  }

  async colourBy(value, { paint = true } = {}) {
    this.colour = value;
    const legend = this.about.colours[Number(value)];
    if (value === CLUSTERS) {
      this.codes = this.clusters.labels;
      this.colourOf = (row) => groupColour(this.codes[row], { again: true });
      this.legend.groups(this.clusters.clusters.map((cluster) => [cluster.name, cluster.size]), { again: true });
    } else if (value === SCORE && this.searching.scores) {
      const { scores } = this.searching;
      const [low, high] = scores.reduce(([least, most], score) => [Math.min(least, score), Math.max(most, score)], [Infinity, -Infinity]);
      this.codes = null;
      this.colourOf = (row) => amountColour(scores[row], low, high);
      this.legend.amount("search score", low, high);
    } else if (legend) {
      const codes = await this.api.colour(Number(value), legend.kind, this.layoutKey);
      this.codes = legend.kind === "group" ? codes : null;
      this.colourOf = legend.kind === "group" ? (row) => groupColour(codes[row]) : (row) => amountColour(codes[row], legend.low, legend.high);
      if (legend.kind === "group") this.legend.groups(legend.values, { others: legend.groups - legend.values.length });
      else this.legend.amount(legend.name, legend.low, legend.high);
    } else {
      this.codes = null;
      this.colourOf = () => accent();
      this.legend.nothing();
    }
    if (paint) {
      await this.paint();
      this.remember();
    }
  }

  paint() {
    const hits = this.searching.scores ? new Set(this.searching.hits) : null;
    const selected = this.selected ? new Set(this.selected) : null;
    const { kept } = this.legend;
    const strength = (row) => {
      if (kept.size && this.codes && !kept.has(this.codes[row])) return 0;
      if (hits && !hits.has(row)) return 0.1;
      if (selected && !selected.has(row)) return 0.1;
      return 1;
    };
    return this.plot.setLook(this.colourOf, strength);
  }

  async repaint() {
    if (!this.about) return;
    await this.choices();
    await this.plot.repaint();
    await this.paint();
  }

  everything() {
    const rows = Array.from({ length: this.about.n }, (_, row) => row);
    return this.panel.list("Selection", {
      title: `All ${count(this.about.n, "text")}`,
      note: "Click a text to find it on the map. Lasso some points to see what they have in common.",
      rows,
    });
  }

  async select(rows) {
    if (!rows.length) return;
    this.selected = rows;
    this.panel.show("Selection");
    await this.paint();
    const found = await this.api.selection(rows);
    if (this.selected !== rows) return;
    const share = ((100 * rows.length) / this.about.n).toFixed(rows.length * 10 < this.about.n ? 1 : 0);
    await this.panel.list("Selection", { title: `${count(rows.length, "text")} selected`, note: `${share} % of all.`, rows, about: this.panel.special(found), clear: () => this.clear() });
  }

  async focus(row, { show = true } = {}) {
    this.row = row;
    const [near, vector] = await Promise.all([this.api.neighbours(row, NEIGHBOURS), this.api.vector(row)]);
    if (this.row !== row) return;
    this.near = near.rows;
    await this.plot.setFocus(row, near.rows);
    this.plot.bringIntoView(row);
    if (show && this.panel.shown === "Selection" && !this.searching.scores) this.panel.show("Neighbours");
    const quote = make("blockquote", { textContent: vector.text.slice(0, 400), dir: "auto" });
    const actions = make(
      "div",
      { className: "tx-actions" },
      make("button", { type: "button", textContent: "More like this", on: { click: () => this.searching.example(row, true) } }),
      make("button", { type: "button", textContent: "Less like this", on: { click: () => this.searching.example(row, false) } }),
    );
    await this.panel.list("Neighbours", { title: `Nearest ${count(near.rows.length, "text")}`, note: near.score, rows: near.rows, scores: near.scores, about: quote, extra: actions });
    this.panel.vector(vector);
    this.panel.mark(row);
    this.stage.dataset.focus = row;
    this.remember();
  }

  // Back to all texts: first what was searched or selected, then the text in focus.
  async clear() {
    const narrowed = this.searching.scores || this.selected;
    if (!narrowed) {
      this.row = null;
      this.near = [];
      delete this.stage.dataset.focus;
      await this.plot.setFocus(null);
      this.panel.mark(null);
    }
    this.searching.forget();
    this.selected = null;
    this.toolbar.query.value = "";
    this.toolbar.found.hidden = true;
    await this.choices();
    await this.paint();
    if (narrowed) await this.everything();
    this.remember();
  }

  chose(value, column) {
    if (column === null) {
      this.toolbar.mode.value = "keyword";
      this.toolbar.query.value = value;
      return this.searching.run({ fresh: true });
    }
    const number = this.about.colours.findIndex((colour) => colour.name === column);
    return this.guarded(async () => {
      this.picked = column;
      this.toolbar.colour.value = String(number);
      await this.colourBy(String(number));
      const place = this.about.colours[number].values.findIndex(([name]) => name === value);
      if (place >= 0) this.legend.element.querySelectorAll("button")[place].click();
    });
  }

  async describe(row) {
    const [text] = await this.api.rows([row]);
    const beside = Object.entries(text.cells).slice(0, 4).map(([name, value]) => make("div", { className: "tx-beside" }, make("b", { textContent: name }), ` ${value}`));
    const cluster = this.clusters.clusters[this.clusters.labels[row]];
    const { scores } = this.searching;
    const score = scores ? [make("div", { className: "tx-beside" }, make("b", { textContent: "score" }), ` ${scores[row].toFixed(4)}`)] : [];
    const group = cluster ? [make("div", { className: "tx-beside" }, make("b", { textContent: "cluster" }), ` ${cluster.name}`)] : [];
    return [make("div", { textContent: text.text.slice(0, 280) + (text.text.length > 280 ? "…" : ""), dir: "auto" }), ...score, ...beside, ...group];
  }

  key(event) {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && (!typing || typing === this.toolbar.query)) return void this.clear();
    if (typing && typing === this.toolbar.query && event.key === "Enter" && event.shiftKey) {
      event.preventDefault();
      return void this.searching.step(-1);
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      this.toolbar.query.focus();
    }
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by && document.activeElement === this.stage && this.about?.n) {
      event.preventDefault();
      this.walk(by);
    }
  }

  // Through the neighbours of the text that was in focus when the walk began.
  walk(by) {
    if (this.row === null) return this.guarded(() => this.focus(0));
    if (!this.path || !this.path.includes(this.row) || this.path[0] === this.row) this.path = [this.row, ...this.near];
    const next = this.path[(this.path.indexOf(this.row) + by + this.path.length) % this.path.length];
    return this.guarded(() => this.focus(next));
  }

  remember() {
    remember(this);
  }

  async savePicture(format) {
    const style = getComputedStyle(this.stage);
    const address = await this.plot.picture(format, style.backgroundColor, style.color);
    const link = make("a", { href: address, download: `tessera-map.${format}` });
    link.click();
  }

  async guarded(run) {
    try {
      this.stage.removeAttribute("data-problem");
      return await run();
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      this.message.textContent = error.message;
      this.stage.dataset.problem = error instanceof Gone ? "gone" : "failed";
      return undefined;
    }
  }
}

export function mount(element, { watch, trigger, props }, plotly) {
  const explorer = new Explorer(element.querySelector(".tx"), plotly, trigger);
  const show = () => {
    const value = props.value ? JSON.parse(props.value) : null;
    if (value?.id) explorer.guarded(() => explorer.show(value));
  };
  watch("value", show);
  show();
  return explorer;
}
