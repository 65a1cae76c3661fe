// The sidebar of collections: what there is, what is on screen, what can be put back. Jobs run one at a
// time, with a bar and Cancel; what a job puts on screen goes by Gradio, as any other texts.

import { asked } from "./address.js";
import { count, make } from "./dom.js";
import { Drawer } from "./drawer.js";
import { keeper, nowPart, part } from "./keeper.js";
import { onMap } from "./onmap.js";
import { Waiting } from "./waiting.js";

const WHAT = "Texts that last on this server, with their columns and vectors: for next week, and for your programs.";
const EMPTY = "No collections yet. Give what is on screen a name and press Keep.";
const CANCELLED = "Cancelled; what was there before is still there.";
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const NAMES = "A name has 1 to 64 letters (a to z), digits, dots, dashes or underscores, and begins with a letter or a digit.";
const HALF_ADDED = "Cancelled; what was added by then stays. Adding the same again goes on.";
const HALF_BACK = "Cancelled; Undo again goes on.";
const SHOWN_DELETED = 5;
const AGAIN_MS = 2000;
// Never rounded up to all of them.
const percent = (share) => `${(Math.floor(1000 * share) / 10).toLocaleString("en")} %`;
const button = (textContent, click, more = {}) => make("button", { type: "button", textContent, on: { click }, ...more });

document.head.append(make("link", { rel: "stylesheet", href: new URL("shelf.css", import.meta.url).href }));

class Shelf {
  constructor(root, trigger) {
    this.trigger = trigger;
    this.root = root;
    this.told = null;
    this.typed = "";
    this.screen = null;
    this.wanted = asked.get("collection");
    this.waiting = new Waiting("Working", () => this.say(this.cancelled));
    this.message = make("p", { className: "kx-message", role: "status", tabIndex: -1 });
    this.key = make("section", { hidden: true });
    this.on = make("section", {});
    this.list = make("section", {});
    this.gone = make("section", { hidden: true });
    this.controls = make("fieldset", {}, this.on, this.gone, this.list);
    root.replaceChildren(
      make("div", { className: "kx" }, make("h2", { className: "kx-title", textContent: "Collections" }), make("p", { className: "tx-note", textContent: WHAT }), this.waiting.element, this.message, this.key, this.controls),
    );
    this.drawer = new Drawer(() => this.look());
    document.addEventListener("tessera:looked", () => this._selected());
    this.begin();
  }

  // Whether collections may be seen from here; else nothing of this is shown, or a key is asked for.
  begin() {
    return this.guarded(async () => {
      const { allowed, asks_for_key: asks } = await keeper.look("", { list: false });
      this.allowed = allowed;
      await this.drawer.offer(allowed || asks);
      this.controls.hidden = !allowed;
      this.key.hidden = allowed;
      if (!allowed && asks) this._askForKey();
      if (this.wanted && (allowed || asks)) await this._openWanted();
    });
  }

  // Other texts on screen, or more of the same.
  show(value) {
    if (value.id !== this.screen?.id && value.id !== this.expected) this.say("");
    this.screen = value;
    if (part.id !== value.id) nowPart(null);
    if (this.wanted) return this._openWanted();
    return this.drawer.open || this.expected === value.id ? this.look() : undefined;
  }

  // An address names a collection: if its texts are not there any more they are read again.
  async _openWanted() {
    if (this.allowed === undefined || !this.screen) return undefined;
    if (!this.allowed) return this.drawer.show();
    const name = this.wanted;
    this.wanted = null;
    await this.look();
    return part.name === name ? undefined : this.openIt(name);
  }

  look() {
    if (!this.allowed) return undefined;
    return this.guarded(async () => {
      const turn = (this.turn = (this.turn ?? 0) + 1);
      const id = this.screen?.id;
      const told = await keeper.look(id);
      if (turn !== this.turn || id !== this.screen?.id) return;
      this.told = told;
      const before = part.name;
      nowPart(id, told.part);
      if (part.id && part.name !== before) this.last = part.name;
      this._draw();
    });
  }

  // What is being written stays, and so does the keyboard's place.
  _draw() {
    const { id } = this.root.contains(document.activeElement) ? document.activeElement : {};
    const { collections, deleted, begun, more } = this.told;
    this._drawScreen();
    this.gone.hidden = !deleted.length;
    this.gone.replaceChildren(...deleted.slice(0, SHOWN_DELETED).map((one) => this._deleted(one)));
    const list = make("ul", {}, ...collections.map((one) => this._item(one)), ...begun.filter(({ moved }) => moved).map(arriving));
    const rest = more ? make("p", { className: "tx-note", textContent: `${more.toLocaleString("en")} more; the command line lists all.` }) : null;
    const empty = make("p", { className: "tx-note", textContent: EMPTY });
    this.list.replaceChildren(...(list.children.length ? [list, rest].filter(Boolean) : [empty]));
    // Files of programs come in beside the page, and commands fill collections: as long as some do, it looks again.
    clearTimeout(this.again);
    const filled = JSON.stringify(begun);
    const grows = begun.length && filled !== this.filled;
    this.filled = filled;
    if (grows || collections.some((one) => one.coming)) this.again = setTimeout(() => this.drawer.open && this.look(), AGAIN_MS);
    if (id) document.getElementById(id)?.focus();
  }

  _drawScreen() {
    const { screen } = this;
    this.on.hidden = !screen;
    if (!screen) return;
    const note = (textContent) => make("p", { className: "tx-note", textContent });
    const title = make("h3", { textContent: `On screen: ${part.id ? this._titled(part.name) : screen.name}`, dir: "auto" });
    if (part.id) {
      const drawn = part.whole ? `All ${count(part.total, "text")}.` : `${part.drawn.toLocaleString("en")} of ${count(part.total, "text")}, drawn by chance; a search looks at all.`;
      this.selected = button("", () => this.remove(), { id: "kx-delete" });
      this.on.replaceChildren(title, note(`${drawn} To add some, paste or upload them, then come back here.`), make("div", { className: "kx-line" }, this.selected));
      if (part.mappable) this.on.insertBefore(this._mapAll(), this.on.lastChild);
      this._selected();
      return;
    }
    const name = make("input", { type: "text", id: "kx-name", maxLength: 64, placeholder: "A name, such as notes", required: true, autocomplete: "off", spellcheck: false, "aria-label": "Name of the new collection", value: this.typed });
    name.addEventListener("input", () => (this.typed = name.value));
    const keep = make("form", { on: { submit: (event) => (event.preventDefault(), this.keep(name.value.trim())) } }, name, make("button", { type: "submit", className: "primary", textContent: "Keep" }));
    const names = this.told.collections.filter(({ problem }) => !problem).map((one) => one.name);
    const into = make("select", { id: "kx-into", "aria-label": "Collection to add to" }, ...names.map((one) => make("option", { value: one, textContent: this._titled(one), selected: one === this.last })));
    into.addEventListener("change", () => (this.last = into.value));
    const add = make("form", { on: { submit: (event) => (event.preventDefault(), this.add(into.value)) } }, into, make("button", { type: "submit", textContent: "Add" }));
    this.on.replaceChildren(
      title,
      note(screen.whole ? count(screen.n, "text") : "Still being embedded; then they can be kept."),
      make("label", { htmlFor: "kx-name", textContent: "Keep as a new collection" }),
      keep,
      ...(names.length ? [make("label", { htmlFor: "kx-into", textContent: "Or add to one" }), add] : []),
    );
  }

  // A vector store's name is what its program gives it; what it is found by is an id.
  _titled(name) {
    return this.told?.collections.find((one) => one.name === name)?.title || name;
  }

  _item({ name, title, count: n, model, dimensions, problem, recall, sample, coming }) {
    const about = problem ?? [count(n, "text"), model ? model.split("/").pop() : `vectors of ${dimensions} dimensions`].join(" · ");
    const found = typeof recall === "number" ? `search finds ${percent(recall)} of what is nearest` : "";
    const anew = this.told.begun.find((one) => !one.moved && one.name === name);
    const more = [
      { textContent: title ? name : "", title: "The id by which programs find it" },
      { textContent: anew ? `${anew.done.toLocaleString("en")} of ${count(anew.total, "text")} embedded anew by ${anew.model.split("/").pop()}` : "", title: "Until all are, the old vectors are searched; begun again, the command goes on" },
      { textContent: coming ? `${count(coming, "file")} on the way in` : "" },
      { textContent: found, title: sample ? `Measured with ${count(sample, "text")} of its own` : "" },
    ].filter(({ textContent }) => textContent);
    const current = part.name === name;
    return make(
      "li",
      { className: "kx-item", "data-name": name, "aria-current": String(current) },
      make("b", { textContent: title || name, dir: "auto" }),
      make("small", { textContent: about, title: model ?? "" }),
      ...more.map((one) => make("small", one)),
      button("Open", async () => (await this.openIt(name)) && this.drawer.makeRoom(), { id: `kx-open-${name}`, disabled: Boolean(problem), "aria-label": `Open ${title || name}` }),
      button("Delete", () => this.drop(name), { id: `kx-drop-${name}`, className: "kx-quiet", "aria-label": `Delete ${title || name}` }),
    );
  }

  _deleted({ id, collection, title, whole, count: n, left_s: left }) {
    const titled = title || collection;
    const what = whole ? `${titled}, ${count(n, "text")}` : `${count(n, "text")} of ${titled}`;
    const minutes = Math.max(1, Math.round(left / 60));
    return make("div", { className: "kx-gone", "data-id": id }, make("span", { textContent: `Deleted: ${what}`, dir: "auto" }), make("small", { textContent: `Can be undone for ${count(minutes, "minute")}.` }), button("Undo", () => this.undo(id, titled), { "aria-label": `Undo: ${what}` }));
  }

  // What is selected or found on the map, else the text in focus.
  get rows() {
    if (onMap.id !== part.id || !part.id) return [];
    return onMap.rows ? [...onMap.rows] : onMap.row === null ? [] : [onMap.row];
  }

  _selected() {
    if (!this.selected) return;
    const { length } = this.rows;
    this.selected.disabled = !length;
    this.selected.textContent = length ? `Delete ${count(length, "selected text")}` : "Select texts on the map to delete them";
  }

  keep(name) {
    const { id } = this.screen;
    if (!NAME.test(name)) return this.guarded(() => Promise.reject(new Error(NAMES)));
    return this.job(`/${encodeURIComponent(name)}/keep`, { data: id }, (done) => ((this.typed = ""), `${count(done.kept, "text")} kept as ${name}.`));
  }

  // The texts drawn are laid out by themselves as long as there is no map of all.
  _mapAll() {
    const all = count(part.total, "text");
    return make("div", { className: "kx-line" }, button(`Map all ${all}`, () => this.mapAll(), { id: "kx-map", title: "Lay out all of it, once; the map is kept with the collection, and what is drawn of it stands there" }));
  }

  mapAll() {
    return this.job(`/${encodeURIComponent(part.name)}/map`, { data: part.id }, ({ mapped }) => `${count(mapped, "text")} mapped; the map is kept.`);
  }

  openIt(name, said = `${this._titled(name)} is on the map.`) {
    return this.job(`/${encodeURIComponent(name)}/open`, {}, () => said);
  }

  add(name) {
    return this.job(`/${encodeURIComponent(name)}/add`, { data: this.screen.id }, (done) => `Added to ${this._titled(name)}: ${count(done.new, "text")} new, ${done.replaced.toLocaleString("en")} replaced.`, HALF_ADDED);
  }

  remove() {
    const { rows } = this;
    if (!rows.length) return undefined;
    return this.job(`/${encodeURIComponent(part.name)}/delete`, { data: part.id, rows }, ({ deleted }) => `${count(deleted.count, "text")} deleted.`);
  }

  drop(name) {
    const titled = this._titled(name);
    return this.job(`/${encodeURIComponent(name)}/drop`, {}, () => `${titled} deleted. What is on the map stays there.`);
  }

  // What was put back is shown where its collection is on screen.
  async undo(id, titled) {
    const done = await this.job("/undo", { id }, ({ put_back: back, stayed }) => `${count(back, "text")} put back into ${titled}${stayed ? `; ${stayed.toLocaleString("en")} had been written anew, and stayed` : ""}.`, HALF_BACK);
    if (done && part.name === done.collection) await this.openIt(done.collection, this.message.textContent);
  }

  job(path, body, said, cancelled = CANCELLED) {
    return this.guarded(async () => {
      this.cancelled = cancelled;
      const here = this.root.contains(document.activeElement);
      this.say("");
      this.controls.disabled = true;
      try {
        const done = await this.waiting.run(keeper, path, body);
        if (!done) return null;
        // Texts that were on screen stay there in another layout, unless others came meanwhile.
        const same = done.data === this.screen?.id;
        if (done.data && same === Boolean(done.layout)) {
          this.expected = done.data;
          this.trigger("input", { data: done.data, layout: done.layout });
        }
        this.say(said(done));
        return done;
      } finally {
        this.controls.disabled = false;
        await this.look();
        // What was pressed lost the keyboard's place, or is not there any more: on from what is said.
        if (here && document.activeElement === document.body) this.message.focus({ preventScroll: true });
      }
    });
  }

  say(sentence) {
    delete this.message.dataset.problem;
    this.message.className = "kx-message tx-note";
    this.message.textContent = sentence;
  }

  _askForKey() {
    const key = make("input", { type: "password", id: "kx-key", required: true, autocomplete: "off", "aria-label": "A key of this server" });
    const form = make("form", { on: { submit: (event) => (event.preventDefault(), this._try(key.value.trim())) } }, key, make("button", { type: "submit", className: "primary", textContent: "Show" }));
    const why = "Collections are the owner's. Write a key of this server to see and change them; this tab remembers it until it is closed.";
    this.key.replaceChildren(make("p", { className: "tx-note", textContent: why }), form);
  }

  _try(key) {
    return this.guarded(async () => {
      keeper.key = key;
      this.say("");
      await this.begin();
      if (this.allowed) return this.look();
      keeper.key = "";
      throw new Error("This is no key of this server.");
    });
  }

  async guarded(run) {
    try {
      return await run();
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      this.message.className = "kx-message tx-problem";
      this.message.textContent = error.message;
      this.message.dataset.problem = "failed";
      return undefined;
    }
  }
}

// What comes from another store, and is no collection yet.
function arriving({ name, done }) {
  return make("li", { className: "kx-item", "data-name": name }, make("b", { textContent: name, dir: "auto" }), make("small", { textContent: `${count(done, "text")} moved here from another store by now` }));
}

export async function mount(element, { watch, trigger, props }) {
  // Gradio mounts this before the masthead, or after it.
  while (!document.getElementById("shelf-toggle") || !document.getElementById("shelf-side")) await new Promise(requestAnimationFrame);
  const shelf = new Shelf(element.querySelector(".tx"), trigger);
  const show = () => {
    const value = props.value ? JSON.parse(props.value) : null;
    if (value?.id) shelf.show(value);
  };
  watch("value", show);
  show();
  return shelf;
}
