// The prompt that a model wants before a question: shown, and changed or left out by whoever wishes.

import { make } from "./dom.js";

const MAX_CHARS = 2000;

export class Prompting {
  constructor(explorer) {
    this.explorer = explorer;
    this.note = make("p", {});
    this.own = this._way("own", "The model's own");
    this.none = this._way("none", "None");
    this.other = this._way("other", "Another");
    this.words = make("input", { type: "text", maxLength: MAX_CHARS, id: "tx-prompt", "aria-label": "Another prompt", dir: "auto" });
    this.words.addEventListener("input", () => (this.other.firstChild.checked = true));
    this.words.addEventListener("change", () => this._again());
    const ways = make("div", { role: "radiogroup", "aria-label": "Prompt before a question" }, this.own, this.none, this.other, this.words);
    this.element = make("details", { className: "tx-menu tx-prompt", hidden: true }, make("summary", { textContent: "Prompt", title: "What the model reads before a question" }), make("div", {}, this.note, ways));
    explorer.toolbar.form.append(this.element);
  }

  // Of a model that has prompts; another one is asked as it is.
  use({ prompts, query_prompt: own }) {
    this.element.hidden = !prompts;
    this.own.firstChild.checked = true;
    this.words.value = own;
    this.note.replaceChildren(...(own ? ["This model reads questions with the prompt ", make("q", { textContent: own, dir: "auto" }), ". It was trained so; what the texts are read with stays as it is."] : ["This model has prompts, but none for questions."]));
  }

  // null for the model's own, else the words, "" for none.
  get value() {
    if (this.element.hidden || this.own.firstChild.checked) return null;
    return this.none.firstChild.checked ? "" : this.words.value;
  }

  set value(prompt) {
    if (prompt === null || this.element.hidden) return;
    (prompt ? this.other : this.none).firstChild.checked = true;
    if (prompt) this.words.value = prompt.slice(0, MAX_CHARS);
  }

  _way(value, name) {
    return make("label", {}, make("input", { type: "radio", name: "tx-prompt-way", value, on: { change: () => this._again() } }), ` ${name}`);
  }

  // A search that is on screen is made again as wished.
  _again() {
    if (this.explorer.searching.scores && this.explorer.toolbar.query.value.trim()) this.explorer.searching.run({ fresh: true, examples: this.explorer.searching.examples });
  }
}
