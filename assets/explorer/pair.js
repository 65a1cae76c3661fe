// Two texts side by side: the words of both marked, and what each word does to their cosine.

import { count, make } from "./dom.js";
import { Waiting } from "./waiting.js";

const STRONGEST = 0.45;
const NEARER = "0, 114, 178";
const APART = "213, 94, 0";
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

export class Pair {
  constructor(body, { onMap }) {
    this.body = body;
    this.calls = { onMap };
    this.waiting = new Waiting("Leaving out each word:", () => (this.legend.textContent = "Cancelled. Click the cell again to go on."));
    this.forget();
  }

  forget() {
    this.waiting.stop();
    this.turn = (this.turn ?? 0) + 1;
    this.body.replaceChildren(make("p", { className: "tx-note", textContent: "Click a cell of the heat map, or Compare in a list, to see two texts side by side, and which words bring them together." }));
  }

  async show(api, left, right) {
    this.waiting.stop();
    const turn = (this.turn += 1);
    delete this.body.dataset.explained;
    const found = await api.post("/similarity/pair", { left, right });
    if (turn !== this.turn) return;
    this.found = found;
    this.legend = make("div", { className: "sx-legend tx-note" });
    this.number = make("p", { className: "sx-number", role: "status" });
    this.texts = [this._text(found.left), this._text(found.right)];
    const rows = left === right ? [left] : [left, right];
    this.body.replaceChildren(
      make("div", { className: "tx-heading" }, make("h2", { textContent: `Cosine ${found.cosine.toFixed(4)}` }), make("button", { type: "button", textContent: "Show on the map", on: { click: () => this.calls.onMap(rows) } })),
      make("p", { className: "tx-note", textContent: this._said(left, right) }),
      make("div", { className: "sx-texts" }, ...this.texts.slice(0, rows.length)),
      this.waiting.element,
      this.number,
      this.legend,
    );
    if (rows.length < 2 || found.equal) return;
    const explained = await this.waiting.run(api, "/similarity/explain", { left, right });
    if (turn === this.turn && explained) this._shade(explained);
  }

  _said(left, right) {
    if (left === right) return "This is one text: with itself it has a cosine of 1.";
    if (this.found.equal) return "These two are equal, letter for letter.";
    const cut = this.found.left.cut || this.found.right.cut ? " Of a very long text only the beginning is shown." : "";
    return `${this.found.shared ? `${count(this.found.shared, "word")} in both, underlined.` : "No word is in both."}${cut}`;
  }

  _text({ row, pieces }) {
    const words = make("p", { className: "sx-words", dir: "auto" }, ...pieces.map((piece) => this._piece(piece)));
    return make("article", { className: "sx-text", "data-row": row }, make("h3", { textContent: `Text ${(row + 1).toLocaleString("en")}` }), words);
  }

  _piece([text, , shared]) {
    return shared ? make("mark", { className: "sx-shared", textContent: text }) : document.createTextNode(text);
  }

  // Each part becomes one stretch with its number; the arrow keys walk from one to the next.
  _shade({ left, right, cosine, note }) {
    const known = [...left.parts, ...right.parts].map(([, , added]) => Math.abs(added ?? 0));
    const most = Math.max(...known, 1e-6);
    for (const [side, element, { parts }] of [[this.found.left, this.texts[0], left], [this.found.right, this.texts[1], right]]) {
      const words = element.querySelector(".sx-words");
      const stretches = [];
      let place = 0;
      for (const [start, stop, added] of parts) {
        stretches.push(...side.pieces.slice(place, start).map((piece) => this._piece(piece)));
        stretches.push(this._stretch(side.pieces.slice(start, stop), added, most, cosine));
        place = stop;
      }
      words.replaceChildren(...stretches, ...side.pieces.slice(place).map((piece) => this._piece(piece)));
      this._walk(words);
    }
    this._explain(left, right, most, note);
    this.body.dataset.explained = `${this.found.left.row} ${this.found.right.row}`;
  }

  _stretch(pieces, added, most, cosine) {
    const text = pieces.map(([piece]) => piece).join("");
    if (added === null) return make("span", { title: "The only word: without it there is nothing to embed." }, ...pieces.map((piece) => this._piece(piece)));
    const strength = (STRONGEST * Math.abs(added)) / most;
    const said = `“${text}” ${signed(added)}: without it the cosine is ${(cosine - added).toFixed(4)}.`;
    const tell = () => (this.number.textContent = said);
    return make(
      "span",
      { className: "sx-part", tabIndex: -1, role: "note", "aria-label": said, "data-added": added.toFixed(6), style: { backgroundColor: `rgba(${added < 0 ? APART : NEARER}, ${strength.toFixed(3)})` }, on: { pointerenter: tell, focus: tell } },
      ...pieces.map((piece) => this._piece(piece)),
    );
  }

  _walk(words) {
    const parts = [...words.querySelectorAll(".sx-part")];
    if (!parts.length) return;
    parts[0].tabIndex = 0;
    words.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const at = parts.indexOf(document.activeElement);
      if (!step || at < 0) return;
      event.preventDefault();
      parts[at].tabIndex = -1;
      const next = parts[Math.min(parts.length - 1, Math.max(0, at + step))];
      next.tabIndex = 0;
      next.focus();
    });
  }

  _explain(left, right, most, note) {
    const key = (colour, means) => make("span", {}, make("i", { style: { backgroundColor: `rgba(${colour}, ${STRONGEST})` } }), means);
    const runs = [left, right].filter(({ words, parts }) => parts.length < words).map(({ words, parts }) => `${words} words left out in ${parts.length} runs`);
    this.legend.replaceChildren(
      make("p", { className: "sx-key" }, key(NEARER, `brings them nearer, up to ${signed(most)}`), " ", key(APART, `keeps them apart, down to ${signed(-most)}`)),
      make("p", { textContent: `${note}${runs.length ? ` Long texts: ${runs.join("; ")}.` : ""}` }),
    );
    this.number.textContent = "Point at a word, or walk with the arrow keys, for its number.";
  }
}
