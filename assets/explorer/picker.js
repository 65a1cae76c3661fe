// A field to choose a text with: by its number, by words it holds, or written and embedded as it is.

import { debounced, make } from "./dom.js";

const HITS = 8;
const WAIT_MS = 150;
let made = 0;

export class Picker {
  constructor({ letter, label, placeholder, onChoose }) {
    this.onChoose = onChoose;
    const id = `tx-picker-${++made}`;
    this.list = make("ul", { className: "tx-options", role: "listbox", id: `${id}-list`, hidden: true, "aria-label": label });
    this.input = make("input", {
      type: "text", id, placeholder, autocomplete: "off", maxLength: 200_000, role: "combobox",
      "aria-label": label, "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id,
    });
    this.element = make("div", { className: "tx-picker" }, make("b", { className: `tx-letter ${letter.toLowerCase()}`, textContent: letter, "aria-hidden": "true" }), this.input, this.list);
    const look = debounced(() => this._offer(), WAIT_MS);
    this.input.addEventListener("focus", () => ((this.wanted = true), this.input.select(), this._offer()));
    // What needs no server can be chosen at once.
    this.input.addEventListener("input", () => ((this.wanted = true), this._show(this._atOnce(this.words)), look()));
    this.input.addEventListener("keydown", (event) => this._key(event));
    this.input.addEventListener("blur", () => this._close());
    // Before the field loses focus, else the list would be gone.
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const item = event.target.closest("[role=option]");
      if (item) this._choose(this.options[[...this.list.children].indexOf(item)]);
    });
  }

  use(api, n) {
    this.api = api;
    this.n = n;
  }

  set(text) {
    this.input.value = this.text = text;
  }

  // What is being looked for; not what was chosen before.
  get words() {
    return this.input.value === this.text ? "" : this.input.value.trim();
  }

  async _offer() {
    if (!this.api || !this.wanted) return;
    const { words } = this;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const options = this._atOnce(words);
    try {
      const found = words ? await this._holding(words) : Array.from({ length: Math.min(HITS, this.n) }, (_, row) => row);
      const rows = [...new Set([...options.filter((one) => "row" in one).map((one) => one.row), ...found])];
      const texts = new Map((await this.api.rows(rows)).map((text) => [text.row, text]));
      if (turn !== this.turn || words !== this.words) return;
      const known = options.map((one) => ({ ...one, ...texts.get(one.row) }));
      const offered = new Set(options.map((one) => one.row));
      this._show([...known, ...found.filter((row) => !offered.has(row)).map((row) => texts.get(row))]);
    } catch {
      // What was offered without the server stays; choosing it will say what is wrong.
    }
  }

  // What can be chosen without asking the server: the text of that number, and the words themselves.
  _atOnce(words) {
    const number = /^#?\d+$/.test(words) ? Number(words.replace("#", "")) : 0;
    const row = number >= 1 && number <= this.n ? [{ row: number - 1 }] : [];
    return words ? [...row, { text: words }] : [];
  }

  async _holding(words) {
    const query = words.slice(0, 200).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const { rows } = await this.api.search({ query, mode: "regex" });
    return rows.slice(0, HITS);
  }

  _show(options) {
    if (!this.wanted) return;
    this.options = options;
    this.at = options.length && this.words ? 0 : -1;
    this.list.replaceChildren(
      ...options.map((option, place) =>
        make(
          "li",
          { role: "option", id: `${this.input.id}-${place}`, "aria-selected": String(place === this.at) },
          make("small", { textContent: option.row === undefined ? "Embed" : `${option.row + 1}` }),
          make("span", { textContent: option.row === undefined ? `“${option.text}”` : (option.text ?? "…"), dir: "auto" }),
        ),
      ),
    );
    this.list.hidden = !options.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this._mark();
  }

  _mark() {
    [...this.list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === this.at)));
    if (this.at >= 0) this.input.setAttribute("aria-activedescendant", `${this.input.id}-${this.at}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  _key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.options?.length) {
      event.preventDefault();
      this.at = (this.at + step + this.options.length) % this.options.length;
      this._mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (this.at >= 0 && !this.list.hidden) this._choose(this.options[this.at]);
    } else if (event.key === "Escape" && !this.list.hidden) {
      event.stopPropagation();
      this._close();
    }
  }

  _choose(option) {
    this._close();
    this.onChoose(option.row === undefined ? { text: option.text } : { row: option.row });
  }

  _close() {
    this.wanted = false; // what was still asked for comes too late
    this.turn = (this.turn ?? 0) + 1;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
