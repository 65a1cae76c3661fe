// The right-hand side: Selection, Neighbours and Vector, as tabs that the keyboard reaches.

import { copies } from "./copying.js";
import { count, make } from "./dom.js";
import { bar, signed, strip } from "./strip.js";
import { tokens } from "./tokens.js";

const PAGE_ROWS = 50;
const TABS = ["Selection", "Neighbours", "Vector"];

export class Panel {
  // `onTab`: a visitor turns to another tab.
  constructor({ onRow, onVector, onTab }) {
    this.calls = { onRow, onVector, onTab };
    this.turns = {};
    this.tabs = TABS.map((name) =>
      make("button", {
        type: "button",
        textContent: name,
        role: "tab",
        id: `tx-tab-${name}`,
        "aria-controls": `tx-panel-${name}`,
        on: { click: () => this._turn(name), keydown: (event) => this._step(event, name) },
      }),
    );
    this.bodies = Object.fromEntries(
      TABS.map((name) => [
        name,
        make("div", { className: "tx-body", role: "tabpanel", id: `tx-panel-${name}`, "aria-labelledby": `tx-tab-${name}`, tabIndex: 0 }),
      ]),
    );
    this.element = make(
      "section",
      { className: "tx-panel", "aria-label": "Details" },
      make("div", { className: "tx-tabs", role: "tablist" }, ...this.tabs),
      ...Object.values(this.bodies),
    );
    this.show(TABS[0]);
    this.explain("Neighbours", "Click a point on the map, or a text in the list, to see the texts nearest to it.");
    this.explain("Vector", "Click a point on the map, or a text in the list, to see its vector.");
  }

  // No such tab is none.
  show(name) {
    if (!TABS.includes(name)) return;
    for (const tab of this.tabs) {
      const chosen = tab.textContent === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      this.bodies[tab.textContent].hidden = !chosen;
    }
    this.shown = name;
  }

  explain(name, sentence) {
    this.bodies[name].replaceChildren(make("p", { className: "tx-note", textContent: sentence }));
  }

  // Rows as a list that grows when its end is asked for; `scores` belongs to `rows`, place by place, and so
  // do `texts`, which are asked for where they are not given.
  async list(name, { title, note, rows, scores = null, texts: given = null, about = null, clear = null, extra = null }) {
    const turn = (this.turns[name] = (this.turns[name] ?? 0) + 1);
    const list = make("ol", { className: "tx-rows" });
    const more = make("button", { type: "button", className: "tx-more", hidden: true });
    const heading = make("div", { className: "tx-heading" }, make("h2", { textContent: title }));
    if (clear) heading.append(make("button", { type: "button", textContent: "Clear", on: { click: clear } }));
    const body = this.bodies[name];
    const parts = [heading, note && make("p", { className: "tx-note", textContent: note }), about, extra, list, more];
    const show = async (api) => {
      const from = list.childElementCount;
      const part = rows.slice(from, from + PAGE_ROWS);
      const texts = given ? given.slice(from, from + PAGE_ROWS) : await api.rows([...part]);
      if (turn !== this.turns[name]) return;
      list.append(...texts.map((text, place) => this.row(text, scores?.[from + place])));
      const left = rows.length - from - part.length;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(PAGE_ROWS, left)} more of ${left.toLocaleString("en")}`;
    };
    more.addEventListener("click", () => show(this.api));
    await show(this.api);
    if (turn === this.turns[name]) body.replaceChildren(...parts.filter(Boolean));
  }

  mark(row) {
    for (const item of this.element.querySelectorAll(".tx-row")) {
      item.classList.toggle("current", Number(item.dataset.row) === row);
    }
  }

  vector(found) {
    const { vector, largest } = found;
    const open = make("button", { type: "button", textContent: "Open in Vectors", on: { click: () => this.calls.onVector(found.row) } });
    const values = { dimensions: vector.length, norm: found.norm.toFixed(4), ...(found.tokens === null ? {} : { tokens: found.tokens }) };
    this.bodies.Vector.replaceChildren(
      make("blockquote", { textContent: found.text, dir: "auto" }),
      make("dl", {}, ...Object.entries(values).flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })])),
      strip(vector, { label: "The vector of this text" }),
      make("div", { className: "tx-actions" }, ...copies(vector, `vector-${found.row + 1}`), open),
      make("h3", { textContent: "Largest dimensions" }),
      make("table", { className: "tx-largest" }, ...largest.map((place) => make("tr", {}, make("th", { textContent: place, scope: "row" }), make("td", { textContent: signed(vector[place]) }), make("td", {}, bar(vector[place], vector[largest[0]]))))),
      make("h3", { textContent: found.pieces_total === null ? "How the model reads it" : `How the model reads it: ${count(found.pieces_total, "token")}` }),
      ...tokens(found),
    );
  }

  // `said` puts the score into words; by default more digits where it is small.
  row(text, score, said = (value) => value.toFixed(value < 0.1 ? 4 : 3)) {
    const cells = Object.entries(text.cells).slice(0, 4).map(([name, value]) => make("span", { title: name, textContent: value, dir: "auto" }));
    const away = text.row === null; // a text that is not on the map is only shown in full
    const item = make(
      "li",
      { className: "tx-row", "data-row": text.row ?? "" },
      make(
        "button",
        { type: "button", on: { click: () => (away ? item.classList.toggle("unfolded") : this.calls.onRow(text.row)) } },
        score === undefined ? null : make("span", { className: "tx-score", textContent: said(score) }),
        make("span", { className: "tx-text", textContent: text.text + (text.cut ? "…" : ""), dir: "auto" }),
        make("span", { className: "tx-cells" }, ...cells),
        text.parts ? make("span", { className: "tx-parts", textContent: text.parts }) : null,
        away ? make("span", { className: "tx-away", textContent: "not drawn" }) : null,
      ),
    );
    return item;
  }

  _turn(name) {
    this.show(name);
    this.calls.onTab();
  }

  _step(event, name) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const next = this.tabs[(TABS.indexOf(name) + step + TABS.length) % TABS.length];
    this._turn(next.textContent);
    next.focus();
  }
}
