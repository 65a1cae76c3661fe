// Below the two maps: both models in figures, the texts that moved most, and one text's neighbours in each.

import { make } from "./dom.js";

const PAGE_ROWS = 50;
// Of vectors that came with a file nobody here knows how they were made.
const UNKNOWN = "not known";

export class Agreement {
  constructor({ onRow, onHover, onClear, onMap }) {
    this.calls = { onRow, onHover, onClear, onMap };
    this.turn = 0;
    this.figures = make("div", { className: "cx-figures" });
    this.moved = make("section", { className: "cx-panel", "aria-label": "Texts by how far they moved" }, make("p", { className: "tx-note", textContent: "Each text's neighbours are being found in both models." }));
    this.detail = make("section", { className: "cx-panel", "aria-label": "A text's neighbours in each model" });
    this.element = make("div", {}, this.figures, make("div", { className: "cx-lists" }, this.moved, this.detail));
    this.unfocus();
  }

  unfocus() {
    this.focused = null;
    this.detail.replaceChildren(make("p", { className: "tx-note", textContent: "Click a text, here or on either map, to see its neighbours in each model side by side." }));
  }

  totals({ models, overlap, mean, by_chance: chance, k, alike }) {
    const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits });
    const pace = ({ texts_a_second: texts, measured }) => (texts === null && !measured ? "…" : texts === null ? UNKNOWN : number(texts, texts < 10 ? 1 : 0));
    const rows = [
      ["Dimensions", ({ dimensions }) => number(dimensions)],
      ["Texts a second", pace, "Measured just now over up to 32 of these texts, one model after the other."],
      ["Tokens in all", ({ tokens }) => (tokens === null ? UNKNOWN : number(tokens))],
      ["Texts cut", ({ truncated, max_tokens: most }) => (truncated === null ? UNKNOWN : `${number(truncated)}${most ? ` (longer than ${number(most)} tokens)` : " (reads texts of any length)"}`)],
    ];
    const table = make(
      "table",
      { className: "cx-totals" },
      make("thead", {}, make("tr", {}, make("td"), ...models.map(({ label, name }) => make("th", { scope: "col", textContent: label, title: name })))),
      make("tbody", {}, ...rows.map(([label, cell, title = ""]) => make("tr", { title }, make("th", { scope: "row", textContent: label }), ...models.map((model) => make("td", { textContent: cell(model) }))))),
    );
    const whole = overlap && mean !== null;
    const few = whole && overlap.length <= k + 1;
    const said = whole ? ` of each text's ${k} nearest neighbours are the same in both, on average. By chance it would be ${number(100 * chance, 1)} %.` : " Neighbours are being found.";
    const same = whole && alike && !few && "To a model these texts are all the same: which of them are nearest to one is chance, and says nothing of how far the models agree.";
    const share = same
      ? make("p", { className: "cx-mean", textContent: same })
      : few
      ? make("p", { className: "cx-mean", textContent: `${overlap.length === 1 ? "One text has" : `Each of ${overlap.length} texts has`} no ${k} neighbours that a model could choose. Bring more than ${k + 1} to see how far the models agree.` })
      : make("p", { className: "cx-mean" }, make("b", { textContent: whole ? `${number(100 * mean, 1)} %` : "…" }), said);
    this.figures.replaceChildren(share, table);
  }

  // Rows with the neighbours that both models find, the fewest first; the list grows on demand.
  async list(api, { title, rows, overlap, k, clear }) {
    const turn = ++this.turn;
    const shared = Math.min(k, Math.max(overlap.length - 1, 1));
    const list = make("ol", { className: "tx-rows" });
    const more = make("button", { type: "button", className: "tx-more", hidden: true });
    const heading = make("div", { className: "tx-heading" }, make("h2", { textContent: title }));
    if (clear) heading.append(make("button", { type: "button", textContent: "Clear", on: { click: this.calls.onClear } }));
    const note = make("p", { className: "tx-note", textContent: `How many of the ${shared} nearest are the same in both, fewest first.` });
    const show = async () => {
      const from = list.childElementCount;
      const part = rows.slice(from, from + PAGE_ROWS);
      const texts = await api.rows([...part]);
      if (turn !== this.turn) return;
      list.append(...texts.map((text) => this._row(text, Number.isFinite(overlap[text.row]) ? `${Math.round(overlap[text.row] * shared)} of ${shared}` : "none")));
      this._mark(list);
      const left = rows.length - from - part.length;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(PAGE_ROWS, left)} more of ${left.toLocaleString("en")}`;
    };
    more.addEventListener("click", show);
    await show();
    if (turn === this.turn) this.moved.replaceChildren(heading, note, list, more);
  }

  // A text, and what each model puts next to it; what both do is marked.
  async focus(api, row, near, { models }) {
    const turn = (this.focused = row);
    const [[text], ...lists] = await Promise.all([api.rows([row]), ...near.map(({ rows }) => api.rows(rows))]);
    if (this.focused !== turn) return;
    const both = new Set(near[0].rows.filter((one) => near[1].rows.includes(one)));
    const all = [row, ...new Set([...near[0].rows, ...near[1].rows])];
    const column = (place) =>
      make(
        "div",
        {},
        make("h3", { textContent: models[place].label }),
        make("ol", { className: "tx-rows" }, ...lists[place].map((one, rank) => this._row(one, near[place].scores[rank].toFixed(3), both.has(one.row)))),
      );
    this.detail.replaceChildren(
      make("div", { className: "tx-heading" }, make("h2", { textContent: `Nearest in each: ${both.size} in both` }), make("button", { type: "button", textContent: "On the map", on: { click: () => this.calls.onMap(all, "A text and its neighbours in two models") } })),
      make("blockquote", { textContent: text.text.slice(0, 400), dir: "auto" }),
      make("div", { className: "cx-near" }, column(0), column(1)),
      make("p", { className: "tx-note", textContent: "Scores are cosines in each model's own space; those of two models can't be compared. A bar marks what both find." }),
    );
    this._mark(this.moved);
  }

  _mark(list) {
    for (const item of list.querySelectorAll(".tx-row")) item.classList.toggle("current", Number(item.dataset.row) === this.focused);
  }

  _row(text, said, both = false) {
    const hover = (row) => () => this.calls.onHover(row);
    return make(
      "li",
      { className: `tx-row${both ? " cx-both" : ""}`, "data-row": text.row },
      make(
        "button",
        { type: "button", on: { click: () => this.calls.onRow(text.row), mouseenter: hover(text.row), mouseleave: hover(), focus: hover(text.row), blur: hover() } },
        make("span", { className: "tx-score", textContent: said }),
        make("span", { className: "tx-text", textContent: text.text + (text.cut ? "…" : ""), dir: "auto" }),
        both ? make("span", { className: "tx-hidden", textContent: "in both" }) : null,
      ),
    );
  }
}
