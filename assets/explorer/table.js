// The same texts as rows: what the map shows by place and colour stands here in words, sorted, page by page,
// for whoever reads rather than looks. It follows the search, the selection and the legend as the map does.

import { make } from "./dom.js";

const PAGE_ROWS = 50;
const MOST_COLUMNS = 12;
const KEYS = { ArrowDown: 1, ArrowUp: -1 };

export class Table {
  constructor(explorer) {
    this.explorer = explorer;
    this.said = make("p", { className: "tx-note", role: "status" });
    this.pick = make("button", { type: "button", hidden: true, on: { click: () => this._select() } });
    this.all = make("button", { type: "button", textContent: "All texts", hidden: true, on: { click: () => explorer.clear() } });
    const turn = (by, text, label) => make("button", { type: "button", className: "tx-step", textContent: text, title: label, "aria-label": label, on: { click: () => this._turn(by) } });
    this.turns = [turn(-1, "‹", "Page before"), turn(1, "›", "Next page")];
    this.head = make("thead");
    this.body = make("tbody", { on: { click: (event) => this._clicked(event), keydown: (event) => this._key(event), keyup: (event) => event.key === " " && event.target.closest("th") && event.preventDefault() } });
    this.sheet = make("div", { className: "tx-sheet", tabIndex: -1 }, make("table", { "aria-label": "Texts" }, this.head, this.body));
    this.element = make("section", { className: "tx-table", "aria-label": "Texts as a table", hidden: true }, make("div", { className: "tx-table-bar" }, this.said, this.pick, this.all, ...this.turns), this.sheet);
    this.forget();
  }

  get on() {
    return !this.element.hidden;
  }

  // What was sorted, ticked and leafed through belongs to the texts that were there.
  forget() {
    Object.assign(this, { by: "", down: false, page: 0, last: 0, of: null, rows: [], part: [], ticked: new Set(), orders: new Map() });
  }

  show(on) {
    this.element.hidden = !on;
    return this.refresh();
  }

  // What is bright on the map, in the order that is asked for.
  async refresh() {
    const { explorer } = this;
    if (!this.on || !explorer.about) return;
    const { searching, selected, about } = explorer;
    const of = searching.scores ? searching.asked : selected;
    if (of !== this.of) Object.assign(this, { of, by: "", down: false, page: 0 }); // hits come best first
    const shown = explorer.bright(searching.scores ? searching.hits : (selected ?? Array.from({ length: about.n }, (_, row) => row)));
    const turn = (this.turn = {});
    const rows = await this._sorted(shown);
    const last = Math.max(0, Math.ceil(rows.length / PAGE_ROWS) - 1);
    const page = Math.max(0, Math.min(this.page, last));
    const part = rows.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
    const texts = await explorer.api.rows(part);
    if (turn !== this.turn) return; // asked again meanwhile
    const held = this._held();
    Object.assign(this, { rows, page, last, part });
    const columns = this._columns();
    this.head.replaceChildren(this._heading(columns, part));
    this.body.replaceChildren(...texts.map((text) => this._row(text, columns)));
    this._tell();
    this.mark(explorer.row);
    this._hold(held);
    this.element.dataset.shown = `${page * PAGE_ROWS} ${rows.length} ${this.by} ${this.down}`;
  }

  // What the keyboard is on: a row, a heading, or a button that may go.
  _held() {
    const { activeElement: at } = document;
    if (!this.element.contains(at)) return null;
    return { row: at.closest("tbody tr")?.dataset.row, by: at.dataset.by, tick: at.type === "checkbox", at };
  }

  // The same after all was drawn anew; where that is gone, the row that Tab leads to.
  _hold(held) {
    if (!held || (held.at.isConnected && !held.at.hidden && !held.at.disabled)) return;
    const line = held.row === undefined ? null : this.body.querySelector(`[data-row="${held.row}"]`);
    const heading = held.by && this.head.querySelector(`[data-by="${held.by}"]`);
    const next = line ?? this.body.querySelector("tr:has([tabindex='0'])");
    if (line) this._reachable(line);
    (heading || next?.querySelector(held.tick && line ? "input" : "th button") || this.sheet).focus({ preventScroll: true });
  }

  mark(row) {
    for (const line of this.body.children) {
      const here = Number(line.dataset.row) === row;
      line.toggleAttribute("data-current", here);
      line.querySelector("th button").setAttribute("aria-pressed", String(here));
    }
    this._reachable(this.body.querySelector("[data-current]") ?? this.body.firstElementChild);
  }

  // Name, what a cell says, and whether it is a number; with a key the column can be sorted by it.
  _columns() {
    const { about, clusters, searching } = this.explorer;
    const named = (row) => clusters.clusters[clusters.labels[row]]?.name ?? "";
    const digits = (value) => (Number.isFinite(value) ? value.toFixed(Math.abs(value) < 0.1 ? 4 : 3) : "");
    return [
      { key: "row", name: "No.", number: true },
      ...(searching.scores ? [{ key: "score", name: "Score", number: true, cell: ({ row }) => digits(searching.scores[row]) }] : []),
      { key: "text", name: "Text", cell: ({ text, cut }) => text + (cut ? "…" : "") },
      ...(clusters.clusters.length ? [{ key: "cluster", name: "Cluster", cell: ({ row }) => named(row) }] : []),
      ...about.columns.slice(0, MOST_COLUMNS).map((name, number) => ({ key: `column-${number}`, name, cell: ({ cells }) => cells[name] ?? "" })),
      ...(about.tokens === null ? [] : [{ key: "tokens", name: "Tokens", number: true, cell: ({ tokens, truncated }) => `${tokens}${truncated ? ", cut" : ""}` }]),
    ];
  }

  // Rows by a column; without one as they come: hits best first, else as they were brought.
  async _sorted(rows) {
    const { by, down } = this;
    if (!by) return rows;
    const rank = await this._ranks(by);
    const turned = down ? -1 : 1;
    const place = (row) => (rank(row) < 0 ? Infinity : turned * rank(row)); // who has none comes last either way
    return rows.toSorted((one, other) => (place(one) === place(other) ? one - other : place(one) - place(other)));
  }

  async _ranks(by) {
    const { clusters, searching, api, about } = this.explorer;
    if (by === "row") return (row) => row;
    if (by === "score") return (row) => 2 + (searching.scores?.[row] ?? 0); // a cosine may be below 0, a place not
    if (by === "cluster") {
      const names = clusters.clusters.map(({ name }, label) => [name, label]).sort(([one], [other]) => one.localeCompare(other));
      const place = new Map(names.map(([, label], at) => [label, at]));
      return (row) => place.get(clusters.labels[row]) ?? -1;
    }
    const key = `${by} ${about.n}`;
    if (!this.orders.has(key)) this.orders.set(key, await api.ranks(by));
    const ranks = this.orders.get(key);
    return (row) => ranks[row];
  }

  _tell() {
    const { rows, page, last, part, ticked, explorer } = this;
    const number = (value) => value.toLocaleString("en");
    const { about, searching, selected } = explorer;
    const what = searching.scores ? "hits" : selected ? "selected texts" : "texts";
    const left = about.columns.length - MOST_COLUMNS;
    const more = left > 0 ? ` ${number(left)} more columns are in the files that Save gives.` : "";
    const marked = ticked.size ? ` ${number(ticked.size)} ticked.` : "";
    const said = rows.length ? `${number(page * PAGE_ROWS + 1)} to ${number(Math.min(rows.length, (page + 1) * PAGE_ROWS))} of ${number(rows.length)} ${what}.${marked}${more}` : `No ${what} here.${marked}`;
    if (said !== this.said.textContent) this.said.textContent = said; // what is said again is heard again
    const here = part.filter((row) => ticked.has(row)).length;
    const every = this.head.querySelector("input");
    Object.assign(every, { checked: here > 0 && here === part.length, indeterminate: here > 0 && here < part.length });
    this.turns[0].disabled = page === 0;
    this.turns[1].disabled = page === last;
    this.all.hidden = !searching.scores && !selected;
    this.pick.hidden = !ticked.size;
    this.pick.textContent = `Select ${number(ticked.size)} ticked`;
  }

  _heading(columns, part) {
    const every = make("input", { type: "checkbox", "aria-label": "Tick all rows of this page", on: { change: ({ target }) => this._tick(part, target.checked) } });
    const sorted = (key) => (this.by === key ? (this.down ? "descending" : "ascending") : "none");
    const arrow = (key) => make("i", { "aria-hidden": "true", textContent: { ascending: "↑", descending: "↓", none: "" }[sorted(key)] });
    return make("tr", {}, make("td", {}, every), ...columns.map(({ key, name, number }) => make("th", { scope: "col", "aria-sort": sorted(key), className: number ? "number" : "" }, make("button", { type: "button", title: `Sort by ${name}`, "data-by": key, on: { click: () => this._sort(key) } }, make("span", { textContent: name, dir: "auto" }), arrow(key)))));
  }

  _row(text, columns) {
    const { row } = text;
    const [, ...others] = columns;
    const tick = make("input", { type: "checkbox", tabIndex: -1, checked: this.ticked.has(row), "aria-label": `Tick text ${row + 1}`, on: { change: ({ target }) => this._tick([row], target.checked) } });
    const open = make("button", { type: "button", tabIndex: -1, textContent: (row + 1).toLocaleString("en"), "aria-label": `Text ${row + 1}: its neighbours and its vector` });
    const cells = others.map(({ key, number, cell }) => make("td", { className: number ? "number" : key === "text" ? "text" : "" }, make("div", { textContent: cell(text), dir: "auto" })));
    return make("tr", { "data-row": row }, make("td", {}, tick), make("th", { scope: "row", className: "number" }, open), ...cells);
  }

  // A third click on a heading leads back to the order in which they come.
  _sort(key) {
    if (this.by !== key) Object.assign(this, { by: key, down: key === "score" });
    else if (this.down === (key === "score")) this.down = !this.down;
    else Object.assign(this, { by: "", down: false });
    return this._afresh(`th button[data-by="${key}"]`);
  }

  async _turn(by) {
    this.page += by;
    const [before, next] = this.turns;
    await this._afresh();
    const pressed = by < 0 ? before : next;
    (pressed.disabled ? (by < 0 ? next : before) : pressed).focus();
  }

  // The same table in another order, or another part of it; the keyboard stays where it was.
  async _afresh(focused = "") {
    if (focused) this.page = 0;
    await this.explorer.guarded(() => this.refresh());
    this.sheet.scrollTop = 0;
    if (focused) this.head.querySelector(focused)?.focus();
  }

  _tick(rows, on) {
    for (const row of rows) this.ticked[on ? "add" : "delete"](row);
    this._tell();
    for (const line of this.body.children) line.querySelector("input").checked = this.ticked.has(Number(line.dataset.row));
  }

  _select() {
    const rows = [...this.ticked].sort((one, other) => one - other);
    this.ticked.clear();
    this.explorer.searching.forget();
    this.explorer.toolbar.setNothing();
    return this.explorer.guarded(() => this.explorer.select(rows));
  }

  _clicked(event) {
    const line = event.target.closest("tr");
    const marking = event.detail && line?.contains(getSelection().anchorNode) && String(getSelection());
    if (!line || event.target.closest("input") || marking) return; // a word that is marked is no click on its row
    line.querySelector("th button").focus({ preventScroll: true });
    this._reachable(line);
    this.explorer.guarded(() => this.explorer.focus(Number(line.dataset.row)));
  }

  // Up and down from row to row; a blank ticks the row that the keyboard is on.
  _key(event) {
    const line = event.target.closest("tr");
    const next = KEYS[event.key] && line[KEYS[event.key] > 0 ? "nextElementSibling" : "previousElementSibling"];
    if (KEYS[event.key]) event.preventDefault();
    if (next) {
      this._reachable(next);
      next.querySelector("th button").focus();
    }
    if (event.key === " " && event.target.closest("th")) {
      event.preventDefault();
      line.querySelector("input").click();
    }
  }

  // One row at a time is on the way of the Tab key.
  _reachable(line) {
    for (const one of this.body.children) for (const control of one.querySelectorAll("button, input")) control.tabIndex = one === line ? 0 : -1;
  }
}
