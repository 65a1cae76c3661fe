// The map and what stands around it. The server is asked by `Api`; Gradio only says which texts are on
// screen (`watch`), and hears of a search or another layout (`trigger`), whose code or work it does.

import { followViews, remember, restore, restorePart } from "./address.js";
import { Api, Gone } from "./api.js";
import { Axes } from "./axes.js";
import { cameAs, comesAs, keepBrought } from "./bringing.js";
import { card } from "./card.js";
import { Colouring } from "./colouring.js";
import { contrast } from "./contrast.js";
import { count, debounced, make, showTab } from "./dom.js";
import { part, reachesFurther } from "./keeper.js";
import { Keyboard } from "./keyboard.js";
import { Layouts } from "./layouts.js";
import { Legend } from "./legend.js";
import { saveMap } from "./map_picture.js";
import { lookedAt } from "./onmap.js";
import { Panel } from "./panel.js";
import { Plot } from "./plot.js";
import { Prompting } from "./prompting.js";
import { Searching } from "./searching.js";
import { Table } from "./table.js";
import { Toolbar } from "./toolbar.js";
import { wish } from "./wishes.js";

const NEIGHBOURS = 10;

class Explorer {
  constructor(root, plotly, trigger) {
    this.trigger = trigger;
    this.root = root;
    this.toolbar = new Toolbar({
      onSearch: (fresh) => this.searching.run({ fresh }),
      onStep: (by) => this.searching.step(by),
      onClear: () => this.clear(),
      onColour: (value, name) => this.guarded(() => ((this.colouring.picked = name), this.colourBy(value))),
      onMode: (mode) => this.plot?.setMode(mode),
      onLayout: (options) => this.layouts.ask(options),
      onDimensions: (dimensions) => this.layouts.inDimensions(dimensions),
      onNames: (kind) => (this.plot.showNames(kind), this.remember()),
      onContours: (wanted) => this.guarded(async () => (await this.layouts.contours(wanted), this.remember())),
      onAll: () => this.plot.showAll(),
      onPicture: (format) => this.guarded(() => saveMap(this, format)),
      onTable: (on) => this.guarded(() => this.asTable(on)),
      onScores: (format) => this.guarded(() => this.searching.picture(format)),
      onThreshold: debounced((least) => this.guarded(() => this.searching.setLeast(least, { moved: true })), 60),
    });
    this.panel = new Panel({
      onRow: (row) => this.guarded(() => this.focus(row)),
      onVector: (row) => wish("Vectors", { id: this.id, rows: [row] }),
      onTab: () => this.about && this.remember(),
    });
    this.legend = new Legend(() => (this.paint(), this.remember()));
    this.stage = make("div", { className: "tx-plot", tabIndex: 0, role: "application", "aria-label": "Map of the texts. Arrow keys walk from a text through its neighbours." });
    this.table = new Table(this);
    this.message = make("p", { className: "tx-message", role: "status" });
    root.replaceChildren(
      this.toolbar.element,
      make("div", { className: "tx-main" }, make("div", { className: "tx-left" }, this.stage, this.table.element, this.legend.element, this.message), this.panel.element),
    );
    this.plot = new Plot(this.stage, plotly, {
      onClick: (row) => this.guarded(() => this.focus(row)),
      onSelect: (rows) => this.guarded(() => this.select(this.bright(rows))),
      describe: (row) => card(this, row),
      onView: () => this.about && this.remember(),
    });
    this.searching = new Searching(this);
    this.colouring = new Colouring(this);
    this.layouts = new Layouts(this);
    this.axes = new Axes(this);
    this.prompting = new Prompting(this);
    this.keyboard = new Keyboard(this);
    this.forget();
    this.wanted = new URLSearchParams(location.search);
    followViews(this);
    keepBrought(() => this.id ?? null);
    document.addEventListener("tessera:select", ({ detail }) => this.guarded(() => this.told(detail)));
    document.getElementById("bring")?.addEventListener("click", () => document.body.removeAttribute("data-watching"));
    document.addEventListener("tessera:part", () => this.searching.belongs());
    new MutationObserver(() => this.repaint()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  forget() {
    this.searching.forget();
    this.row = null;
    this.near = [];
    this.selected = null;
  }

  // Texts on screen: other ones, or more of the same, or another layout of the same. One after the other,
  // of those that come meanwhile the newest: else an older one could end last and stay.
  async show(value) {
    this.next = value;
    if (this.showing) return;
    this.showing = true;
    while (this.next) {
      const { id, layout, told } = this.next;
      this.next = null;
      // While texts come, what they were brought with makes room for the map; Cancel and a click on its tabs
      // bring it back. When all are there it is closed.
      if (told) document.body.removeAttribute("data-watching");
      await this.guarded(() => this.draw(id, layout));
    }
    this.showing = false;
  }

  // Texts are being brought of which nothing is there yet, under this id: a reload finds them. None: they do
  // not come.
  comes(id) {
    this.coming = id;
    if (!id) return;
    comesAs(id);
    remember(this);
  }

  async draw(id, layout) {
    const api = id === this.id ? this.api : new Api(document.baseURI, id);
    const about = await api.about(layout);
    const key = layout ?? about.layout;
    const [points, clusters] = await Promise.all([api.points(key), about.whole ? api.clusters(key) : { labels: [], clusters: [] }]);
    const fresh = id !== this.id;
    const grown = fresh || about.n !== this.about.n || about.whole !== this.about.whole;
    Object.assign(this, { id, api, about, clusters, layoutKey: key });
    if (id === this.coming) this.coming = null;
    if (grown && about.whole) cameAs(id);
    if (fresh && !about.whole) document.body.setAttribute("data-watching", "");
    this.panel.api = api;
    this.toolbar.setFiles((format) => `${api.root}/export/${format}?layout=${encodeURIComponent(key)}`);
    if (fresh) {
      this.forget();
      this.table.forget();
      this.axes.forget();
      this.prompting.use(about.model);
      this.colouring.picked = this.wanted.get("data") === id ? this.wanted.get("colour") : null;
      this.toolbar.setNothing();
      await this.unfocus();
    }
    this.toolbar.offerFile(about.layouts.includes("file"), key === "file");
    await this.axes.write();
    await this.colouring.choices();
    const listed = grown ? this.everything() : null;
    listed?.catch(() => {}); // it is awaited below, unless the dots fail before
    if (grown) this.plot.keepLook(...this.look());
    await this.layouts.show(points, { tween: !fresh });
    this.plot.setLabels(clusters.clusters);
    if (this.row !== null) await this.plot.setFocus(this.row, this.near);
    if (!grown) await this.paint();
    else await this.table.refresh();
    await listed;
    this.stage.dataset.painted = `${key} ${about.n}`;
    document.getElementById("first-sight")?.remove();
    const wanted = this.wanted;
    const later = this.coming && wanted.get("data") === this.coming; // of texts that are still to come
    if (about.whole && !later) this.wanted = new URLSearchParams();
    if (fresh) this.partial = null;
    if (about.whole && wanted.get("data") === id) await restore(this, wanted);
    else if (this.partial?.get("layout") === key) await restorePart(this, this.partial);
    this.remember();
  }

  // What texts can be coloured by beside what is always there.
  get amount() {
    const { scores } = this.searching;
    return scores && !this.searching.everywhere ? { name: "search score", values: scores } : null;
  }

  async colourBy(value) {
    await this.colouring.by(value);
    await this.paint();
    this.remember();
  }

  async paint() {
    await this.plot.setLook(...this.look());
    await this.table.refresh();
  }

  // The texts as rows in the place of the map, or the map.
  async asTable(on) {
    this.toolbar.showAs(on);
    this.stage.hidden = on;
    await this.table.show(on);
    if (this.about) this.remember();
  }

  // Of some rows those that the legend leaves bright.
  bright(rows) {
    const { codes } = this.colouring;
    const { kept } = this.legend;
    return kept.size && codes ? rows.filter((row) => kept.has(codes[row])) : rows;
  }

  // The colour and the strength of each row.
  look() {
    lookedAt(this);
    const { codes, colourOf } = this.colouring;
    const hits = this.searching.scores ? new Set(this.searching.hits) : null;
    const selected = this.selected ? new Set(this.selected) : null;
    const { kept } = this.legend;
    const strength = (row) => {
      if (kept.size && codes && !kept.has(codes[row])) return 0;
      if (hits && !hits.has(row)) return 0.1;
      if (selected && !selected.has(row)) return 0.1;
      return 1;
    };
    return [colourOf, strength];
  }

  async repaint() {
    if (!this.about) return;
    await this.colouring.choices();
    await this.plot.repaint();
    await this.paint();
  }

  everything() {
    const { n, whole } = this.about;
    const rows = Array.from({ length: n }, (_, row) => row);
    return this.panel.list("Selection", {
      title: reachesFurther(this.id) ? `${n.toLocaleString("en")} of ${count(part.total, "text")}` : whole ? `All ${count(n, "text")}` : `${count(n, "text")} so far`,
      note: "Click a text to find it on the map. Lasso some points to see what they have in common.",
      rows,
    });
  }

  // Rows that were lassoed, or that another view names with a title and note of its own.
  async select(rows, { title, note } = {}) {
    if (!rows.length) return;
    this.selected = rows;
    this.selectedKey = null; // until the server has said it
    this.panel.show("Selection");
    await this.paint();
    const found = await this.api.selection(rows);
    if (this.selected !== rows) return;
    this.selectedKey = found.key;
    const share = ((100 * rows.length) / this.about.n).toFixed(rows.length * 10 < this.about.n ? 1 : 0);
    await this.panel.list("Selection", {
      title: title ?? `${count(rows.length, "text")} selected`,
      note: note ?? `${share} % of all.`,
      rows,
      about: contrast(found, (value, column) => this.chose(value, column)),
      clear: () => this.clear(),
    });
    this.remember();
  }

  // Another view of the page names rows of these texts: they are shown on the map, and nothing else is.
  async told({ id, rows, title, note } = {}) {
    if (id !== this.id || !Array.isArray(rows)) return;
    const { n } = this.about;
    const wanted = [...new Set(rows)].filter((row) => Number.isInteger(row) && row >= 0 && row < n);
    if (!wanted.length) return;
    showTab("Map");
    this.searching.forget();
    this.toolbar.query.value = "";
    this.toolbar.setNothing();
    await this.colouring.choices();
    await this.select(wanted, { title, note });
    this.remember();
    this.stage.scrollIntoView({ block: "nearest" });
  }

  // `told`: somebody chose this text, so the code tab is to show how its neighbours are found.
  async focus(row, { show = true, told = true } = {}) {
    this.row = row;
    const [near, vector] = await Promise.all([this.api.neighbours(row, NEIGHBOURS), this.api.vector(row)]);
    if (this.row !== row) return;
    Object.assign(this, { near: near.rows, nearScores: near.scores });
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
    await this.panel.list("Neighbours", { title: near.rows.length ? `Nearest ${count(near.rows.length, "text")}` : "There is no other text", note: near.rows.length ? near.score : "", rows: near.rows, scores: near.scores, about: quote, extra: actions });
    this.panel.vector(vector);
    this.panel.mark(row);
    this.table.mark(row);
    this.stage.dataset.focus = row;
    if (told) this.trigger("submit", { id: this.id, did: "near", row });
    this.remember();
  }

  async unfocus() {
    this.row = null;
    this.near = [];
    delete this.stage.dataset.focus;
    await this.plot.setFocus(null);
    this.panel.mark(null);
    this.table.mark(null);
    this.panel.explain("Neighbours", "Click a point on the map, or a text in the list, to see the texts nearest to it.");
    this.panel.explain("Vector", "Click a point on the map, or a text in the list, to see its vector.");
  }

  // Back to all texts: first what was searched or selected, then the text in focus.
  async clear() {
    const narrowed = !this.toolbar.found.hidden || this.selected;
    if (!narrowed) await this.unfocus();
    this.searching.forget();
    this.selected = null;
    this.toolbar.query.value = "";
    this.toolbar.setNothing();
    await this.colouring.choices();
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
      this.colouring.picked = column;
      this.toolbar.colour.value = String(number);
      await this.colourBy(String(number));
      const place = this.about.colours[number].values.findIndex(([name]) => name === value);
      if (place >= 0) this.legend.element.querySelectorAll("button")[place].click();
    });
  }

  remember() {
    lookedAt(this);
    remember(this);
  }

  async guarded(run) {
    try {
      if (this.stage.hasAttribute("data-problem")) this.message.textContent = this.layouts.said;
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
    if (value && "coming" in value) explorer.comes(value.coming);
    if (value?.id) explorer.show(value);
  };
  watch("value", show);
  show();
  return explorer;
}
