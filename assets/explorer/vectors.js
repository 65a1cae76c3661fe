// The view of vectors: one text, or two beside each other, and what is left of all of them when they
// are made smaller. Texts come from the dataset on screen, or are written here and embedded at once.

import { Api } from "./api.js";
import { copies } from "./copying.js";
import { count, make } from "./dom.js";
import { tend } from "./menus.js";
import { Picker } from "./picker.js";
import { Retention } from "./retention.js";
import { saveMenu, savePicture, sheet, shortened, withLooks } from "./saving.js";
import { bar, furthest, signed, strip, stripChart } from "./strip.js";
import { keepInTab, keptInTab } from "./tab_store.js";
import { tokens } from "./tokens.js";
import { nowViewed, rowsOf, viewed } from "./viewed.js";
import { taken } from "./wishes.js";

const VIEW = "Vectors";
const LETTERS = ["A", "B"];
const ADDRESS_CHARS = 500; // of a text that was written here; a longer one is kept in this tab
const LONG = "vectors"; // by letter, with the id of the texts on screen

class Vectors {
  constructor(root, trigger) {
    this.trigger = trigger;
    this.chosen = [null, null];
    this.pickers = LETTERS.map(
      (letter, place) =>
        new Picker({
          letter,
          label: place ? "Second text, to compare with" : "Text",
          placeholder: place ? "Compare with: number, words, or a text of your own" : "Number, words, or a text of your own",
          onChoose: (choice) => this.choose(place, choice),
        }),
    );
    this.kinds = LETTERS.map((letter, place) => {
      const kinds = make("select", { hidden: true, "aria-label": `Read text ${letter} as` }, make("option", { value: "", textContent: "as a text" }), make("option", { value: "query", textContent: "as a question" }));
      kinds.addEventListener("change", () => this.chosen[place]?.text !== undefined && this.choose(place, { text: this.chosen[place].text }));
      return kinds;
    });
    this.swap = make("button", { type: "button", textContent: "Swap", hidden: true, on: { click: () => this.exchange() } });
    this.alone = make("button", { type: "button", textContent: "Only A", hidden: true, on: { click: () => this.choose(1, null) } });
    const picture = (what, run) => ["png", "svg"].map((format) => [`${format.toUpperCase()} of ${what}`, () => this.guarded(() => run(format))]);
    const saving = saveMenu([...picture("the strips", (format) => this.saveStrips(format)), ...picture("what is kept", (format) => this.saveKept(format))]);
    this.message = make("p", { className: "tx-message", role: "status" });
    this.detail = make("div", { className: "tx-detail" });
    this.retention = new Retention((dimensions) => (this.trigger("input", { id: this.id, did: "cut", dimensions }), this.remember()));
    this.all = make("p", { className: "tx-note tx-all" });
    root.replaceChildren(
      make("div", { className: "tx-choosing" }, ...this.pickers.flatMap((picker, place) => [make("div", { className: "tx-slot" }, picker.element, this.kinds[place])]), make("div", { className: "tx-actions" }, this.swap, this.alone, saving)),
      this.message,
      this.detail,
      this.retention.element,
      this.all,
    );
    tend(root);
    this.root = root;
    document.addEventListener("tessera:wish", ({ detail }) => detail === VIEW && this.guarded(() => this.grant()));
    new MutationObserver(() => this.repaint()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  async show({ id }) {
    if (id === this.id) return;
    this.id = id;
    this.api = new Api(document.baseURI, id);
    this.about = await this.api.about();
    if (this.id !== id) return;
    for (const picker of this.pickers) picker.use(this.api, this.about.n);
    const kept = viewed("vectors", id);
    this.chosen = LETTERS.map((letter) => this.recalled(kept, letter.toLowerCase()));
    if (!this.chosen[0]) this.chosen = this.chosen[1] ? [this.chosen[1], null] : [{ row: 0 }, null];
    this.retention.use(this.api, Number(kept.width));
    const link = (format, textContent) => make("a", { textContent, href: `${this.api.root}/export/${format}`, download: "" });
    this.all.replaceChildren(`All ${count(this.about.n, "vector")} of ${this.about.model.dimensions} dimensions by ${this.about.model.id}: `, link("npz", "NPZ (numpy)"), ", ", link("jsonl", "JSONL"), ", ", link("csv", "CSV"));
    await this.refresh({ told: await this.grant(false) });
  }

  // What another view asked for; whether it asked for anything.
  async grant(fresh = true) {
    const detail = taken(VIEW);
    if (!detail || detail.id !== this.id) return false;
    const rows = detail.rows.slice(0, 2);
    this.chosen = LETTERS.map((_, place) => (rows[place] === undefined ? null : { row: rows[place] }));
    if (fresh) await this.refresh({ told: true });
    return true;
  }

  // A text that the address names.
  recalled(kept, letter) {
    const [row] = rowsOf(kept[letter], this.about.n);
    if (row !== undefined) return { row };
    const text = kept[`${letter}-text`]?.slice(0, ADDRESS_CHARS) ?? this.recalledLong(letter, kept[`${letter}-long`]);
    if (!text) return null;
    const { prompts } = this.about.model;
    return { text, kind: (prompts && kept[`${letter}-as`]) || null };
  }

  // One that is too long for the address, which says how long it is: as it was written in this tab.
  recalledLong(letter, length) {
    const long = keptInTab(LONG);
    const text = long?.id === this.id ? long[letter] : undefined;
    return typeof text === "string" && String(text.length) === length ? text : undefined;
  }

  remember() {
    const state = { width: this.retention.chosen };
    const long = {};
    this.chosen.forEach((choice, place) => {
      const letter = LETTERS[place].toLowerCase();
      if (!choice) return;
      if (choice.text === undefined) state[letter] = choice.row;
      else if (choice.text.length <= ADDRESS_CHARS) state[`${letter}-text`] = choice.text;
      else state[`${letter}-long`] = (long[letter] = choice.text).length;
      state[`${letter}-as`] = choice.kind;
    });
    keepInTab(LONG, Object.keys(long).length ? { id: this.id, ...long } : null);
    nowViewed("vectors", this.id, state);
  }

  choose(place, choice) {
    this.chosen[place] = choice?.text === undefined ? choice : { ...choice, kind: (this.about.model.prompts && this.kinds[place].value) || null };
    if (!this.chosen[0] && this.chosen[1]) this.chosen.reverse();
    return this.guarded(() => this.refresh({ told: true }));
  }

  exchange() {
    this.chosen.reverse();
    return this.guarded(() => this.refresh({ told: true }));
  }

  // `told`: somebody chose these texts, so the code tab is to show their call.
  async refresh({ told = false } = {}) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const items = this.chosen.filter(Boolean);
    delete this.root.dataset.shown;
    if (!items.length) return;
    const found = await this.api.post("/vectors", { items });
    if (turn !== this.turn) return;
    this.found = found;
    this.swap.hidden = this.alone.hidden = items.length < 2;
    this.kinds.forEach((kinds, place) => {
      const choice = this.chosen[place];
      kinds.hidden = choice?.text === undefined || !this.about.model.prompts;
      kinds.value = choice?.kind ?? "";
    });
    this.chosen.forEach((choice, place) => this.pickers[place].set(choice ? (choice.text ?? `${choice.row + 1}. ${found.items[place].text.slice(0, 200)}`) : ""));
    this.repaint();
    this.remember();
    if (told) this.trigger("input", { id: this.id, did: "look", items });
    this.root.dataset.shown = items.map((item) => item.row ?? "text").join(" ");
  }

  repaint() {
    if (!this.found) return;
    const { items, pair } = this.found;
    const scale = Math.max(...items.map((item) => furthest(item.vector))) || 1;
    const cards = items.map((item, place) => this._card(item, LETTERS[place], scale));
    this.detail.replaceChildren(...(pair ? [compared(items, pair)] : []), make("div", { className: `tx-cards of-${items.length}` }, ...cards));
    this.retention.repaint();
  }

  _card(item, letter, scale) {
    const { row, vector } = item;
    const select = () => document.dispatchEvent(new CustomEvent("tessera:select", { detail: { id: this.id, rows: [row], title: `Text ${row + 1}`, note: "Chosen in the Vectors view." } }));
    const name = row === null ? "vector" : `vector-${row + 1}`;
    return make(
      "section",
      { className: "tx-section tx-one", "aria-label": `Text ${letter}` },
      make("h2", {}, make("b", { className: `tx-letter ${letter.toLowerCase()}`, textContent: letter }), row === null ? " Written here" : ` Text ${row + 1} of ${this.about.n.toLocaleString("en")}`),
      make("blockquote", { textContent: item.text + (item.cut ? "…" : ""), dir: "auto" }),
      facts({ norm: item.norm.toFixed(4), dimensions: vector.length, ...(item.tokens === null ? {} : { tokens: item.tokens.toLocaleString("en") }) }),
      strip(vector, { label: `Vector of text ${letter}`, scale }),
      make("div", { className: "tx-actions" }, ...copies(vector, name), row === null ? null : make("button", { type: "button", textContent: "Show on the map", on: { click: select } })),
      make(
        "div",
        { className: "tx-tables" },
        make("div", {}, make("h3", { textContent: item.pieces_total === null ? "How the model reads it" : `How the model reads it: ${count(item.pieces_total, "token")}` }), ...tokens(item)),
        make("div", {}, make("h3", { textContent: "Largest dimensions" }), table(["dimension", "value", ""], item.largest.map((place) => [place, signed(vector[place]), bar(vector[place], vector[item.largest[0]])]))),
      ),
      make("details", { className: "tx-numbers" }, make("summary", { textContent: `All ${vector.length} numbers` }), make("pre", { tabIndex: 0, textContent: vector.map((value) => signed(value, 6)).join("  ") })),
    );
  }

  async saveStrips(format) {
    if (!this.found) throw new Error("No text is shown yet. Choose one above first.");
    const { items, pair } = this.found;
    const scale = Math.max(...items.map((item) => furthest(item.vector))) || 1;
    const figures = items.map((item, place) => ({ name: `${LETTERS[place]}: ${shortened(item.text)}`, chart: stripChart(item.vector, { scale }) }));
    if (pair) figures.push({ name: "A less B", chart: stripChart(pair.difference) });
    await savePicture(sheet(figures, this.root), format, "tessera-vectors");
  }

  async saveKept(format) {
    const chart = this.retention.picture.querySelector("svg");
    if (!chart) throw new Error("Nothing has been measured yet. Scroll down to “How small can these vectors be?” first.");
    await savePicture(sheet([{ name: "Share of true nearest neighbours kept", chart: withLooks(chart) }], this.root), format, "tessera-kept");
  }

  async guarded(run) {
    try {
      this.message.textContent = "";
      delete this.message.dataset.problem;
      await run();
    } catch (error) {
      this.message.textContent = error.message;
      this.message.dataset.problem = "";
      this.message.scrollIntoView({ block: "nearest" });
    }
  }
}

function compared([one, two], pair) {
  const { difference, products } = pair;
  const of = (place) => [place, signed(one.vector[place]), signed(two.vector[place])];
  const score = (name, value, key) => make("div", { className: "tx-named", "data-score": key }, make("b", { textContent: value }), make("span", { textContent: name }), make("small", { textContent: pair.said[key] }));
  return make(
    "section",
    { className: "tx-section tx-compared", "aria-label": "A and B compared" },
    make("h2", { textContent: "A and B compared" }),
    make("div", { className: "tx-scores" }, score("cosine", pair.cosine.toFixed(4), "cosine"), score("dot product", pair.dot.toFixed(4), "dot"), score("Euclidean distance", pair.distance.toFixed(4), "distance")),
    make("h3", { textContent: "Difference, A less B" }),
    strip(difference, { label: "Difference of A and B", said: (place) => `dimension ${place}: A ${signed(one.vector[place])}, B ${signed(two.vector[place])}, difference ${signed(difference[place])}` }),
    make(
      "div",
      { className: "tx-tables" },
      make("div", {}, make("h3", { textContent: "Largest contributions to the dot product" }), table(["dimension", "A", "B", "A × B", ""], pair.largest_products.map((place) => [...of(place), signed(products[place]), bar(products[place], products[pair.largest_products[0]])]))),
      make("div", {}, make("h3", { textContent: "Largest differences" }), table(["dimension", "A", "B", "A − B", ""], pair.largest_differences.map((place) => [...of(place), signed(difference[place]), bar(difference[place], difference[pair.largest_differences[0]])]))),
    ),
  );
}

function facts(values) {
  return make("dl", {}, ...Object.entries(values).flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })]));
}

function table(names, rows) {
  const head = make("tr", {}, ...names.map((textContent) => (textContent ? make("th", { textContent, scope: "col" }) : make("td", {}))));
  const line = ([first, ...rest]) => make("tr", {}, make("th", { textContent: first, scope: "row" }), ...rest.map((cell) => make("td", {}, cell)));
  return make("table", { className: "tx-largest" }, head, ...rows.map(line));
}

export function mount(element, { watch, trigger, props }) {
  const style = make("link", { rel: "stylesheet", href: new URL("vectors.css", import.meta.url).href });
  document.head.append(style);
  const vectors = new Vectors(element.querySelector(".tx"), trigger);
  const show = () => {
    const value = props.value ? JSON.parse(props.value) : null;
    if (value?.id) vectors.guarded(() => vectors.show(value));
  };
  watch("value", show);
  show();
  return vectors;
}
