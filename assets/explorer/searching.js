// Searching: the scores of every text, the hits among them, and the examples a search goes on from.

import { Gone } from "./api.js";
import { count, make } from "./dom.js";
import { listed, searchEverywhere } from "./everywhere.js";
import { part, reachesFurther } from "./keeper.js";
import { savePicture, sheet, shortened } from "./saving.js";

const HITS = 10;
const QUERY_CHARS = 60; // in the name of a picture

export class Searching {
  constructor(explorer) {
    this.explorer = explorer;
    this.forget();
  }

  get toolbar() {
    return this.explorer.toolbar;
  }

  // A score means the same for every text only where it is a cosine; elsewhere it only orders.
  get slides() {
    return !this.everywhere && (this.way === "semantic" || this.way === "like");
  }

  forget() {
    this.scores = this.examples = this.asked = this.everywhere = null;
    this.ranked = this.hits = [];
    this.at = -1;
    this.least = 0;
    this.moved = false; // whether a visitor has set the threshold
  }

  async run({ fresh = false, examples = null } = {}) {
    const { explorer, toolbar } = this;
    const mode = toolbar.mode.value;
    const written = toolbar.query.value;
    const query = mode === "regex" ? written : written.trim(); // a pattern may end in a blank
    const prompt = explorer.prompting.value;
    const asked = JSON.stringify([query, mode, examples, prompt]);
    if (!fresh && asked === this.asked && this.scores) return this.step(1);
    if (!query && !examples) return explorer.clear();
    return explorer.guarded(async () => {
      this.running?.abort();
      this.running = new AbortController();
      if (!examples) this.examples = null;
      delete explorer.stage.dataset.found;
      const { signal } = this.running;
      let found;
      try {
        found = this._further(mode, examples) ? await searchEverywhere(explorer, query, mode, signal) : await explorer.api.search({ query, mode, prompt, ...(examples ?? {}) }, signal);
      } catch (error) {
        if (error.name === "AbortError" || error instanceof Gone) throw error;
        return this._failed(error.message);
      }
      // It became known meanwhile that there is more to search.
      if (!found.everywhere && this._further(mode, examples)) return this.run({ fresh: true });
      explorer.selected = null;
      Object.assign(this, { asked, words: query, scores: found.scores, ranked: found.rows, total: found.total, way: found.way, said: found.score, at: -1, everywhere: found.everywhere ?? null });
      const least = found.rows.length ? found.scores[found.rows[Math.min(HITS, found.rows.length) - 1]] : 0;
      toolbar.setScores(found.scores, this.slides, least);
      await explorer.colouring.choices();
      await this.setLeast(least);
      explorer.trigger("submit", { id: explorer.id, did: "search", query, mode, prompt, ...(examples ?? {}) });
      explorer.remember();
      explorer.stage.dataset.found = `${found.way} ${query}`;
    });
  }

  // What was found before is no answer to this question; why there is none stands where hits would.
  async _failed(sentence) {
    const { explorer, toolbar } = this;
    this.forget();
    toolbar.setProblem(sentence);
    explorer.panel.show("Selection");
    explorer.panel.explain("Selection", sentence);
    await explorer.colouring.choices();
    await explorer.paint();
  }

  // Every row with at least this score is a hit; where scores only order, all that were found are.
  async setLeast(least, { moved = false } = {}) {
    const { explorer } = this;
    Object.assign(this, { least, moved });
    if (moved) explorer.remember();
    const hits = this.slides ? this.ranked.filter((row) => this.scores[row] >= least) : this.ranked;
    this.hits = hits;
    const more = this.slides && hits.length === this.ranked.length && this.total > hits.length ? "+" : "";
    if (this.everywhere) return this._listEverywhere();
    this.toolbar.setHits(hits.length ? `${hits.length.toLocaleString("en")}${more} ${hits.length === 1 ? "hit" : "hits"}` : "No hits", hits.length > 0);
    explorer.panel.show("Selection"); // at once: a visitor may turn to another tab meanwhile
    await explorer.paint();
    await explorer.panel.list("Selection", {
      title: hits.length ? `${count(hits.length, "hit")}, best first` : "No hits",
      note: hits.length ? this.said : "No text holds that. Try other words, or search by meaning.",
      rows: hits,
      scores: hits.map((row) => this.scores[row]),
      clear: () => explorer.clear(),
      about: this.examples ? this._exampleList() : null,
    });
  }

  // The histogram of all scores, as a file.
  async picture(format) {
    const { stage, about } = this.explorer;
    const asked = this.examples ? "examples" : `“${shortened(this.words, QUERY_CHARS)}”`;
    const chart = this.toolbar.histogram.chart({ ink: getComputedStyle(stage).color, least: this.least, name: "Cosine" });
    await savePicture(sheet([{ name: `${count(about.n, "text")} beside ${asked}: ${count(this.hits.length, "hit")} from ${this.least.toFixed(2)}`, chart }], stage), format, "tessera-scores");
  }

  // It is known by now of which collection the texts on screen are: all of it is searched.
  belongs() {
    const { explorer, toolbar } = this;
    const further = reachesFurther(explorer.id);
    toolbar.query.placeholder = `Search ${further ? `all ${count(part.total, "text")}` : "these texts"}   /`;
    if (explorer.about) explorer.remember();
    if (further && !this.scores && !explorer.selected) explorer.guarded(() => explorer.everything());
    if (this.scores && !this.everywhere && this._further(toolbar.mode.value, this.examples)) this.run({ fresh: true });
  }

  _further(mode, examples) {
    return reachesFurther(this.explorer.id) && !examples && mode !== "regex";
  }

  async _listEverywhere() {
    const { explorer, everywhere } = this;
    const { hits } = everywhere;
    this.toolbar.setHits(hits.length ? `${count(hits.length, "hit")}, ${this.hits.length.toLocaleString("en")} on the map` : "No hits", this.hits.length > 0);
    explorer.panel.show("Selection");
    await explorer.paint();
    await explorer.panel.list("Selection", { ...listed(everywhere, this.said), clear: () => explorer.clear() });
  }

  async step(by) {
    const { explorer, hits, scores, slides } = this;
    if (!hits.length) return;
    this.at = (this.at + by + hits.length) % hits.length;
    const row = hits[this.at];
    const place = `Hit ${(this.at + 1).toLocaleString("en")} of ${hits.length.toLocaleString("en")}${slides ? `, score ${scores[row].toFixed(3)}` : ""}`;
    await explorer.keyboard.to(row, place, { show: false, told: false });
  }

  // Plus and minus examples: the search goes on from what it has.
  example(row, like) {
    const { like: likes, unlike } = this.examples ?? { like: [], unlike: [] };
    const without = (rows) => rows.filter((one) => one !== row);
    this.examples = { like: without(likes), unlike: without(unlike) };
    this.examples[like ? "like" : "unlike"].push(row);
    return this.run({ examples: this.examples, fresh: true });
  }

  _withdraw(row) {
    const without = (rows) => rows.filter((one) => one !== row);
    this.examples = { like: without(this.examples.like), unlike: without(this.examples.unlike) };
    if (!this.examples.like.length && !this.examples.unlike.length) return this.explorer.clear();
    return this.run({ examples: this.examples, fresh: true });
  }

  _exampleList() {
    const name = (row) => this.explorer.api.texts.get(row)?.text.slice(0, 40) ?? `text ${row + 1}`;
    const chip = (row, sign) =>
      make("button", { type: "button", className: "tx-chip", title: "Take this example away", textContent: `${sign} ${name(row)}`, on: { click: () => this._withdraw(row) } });
    const { like, unlike } = this.examples;
    return make("div", { className: "tx-special" }, make("h3", { textContent: "Like and unlike" }), ...like.map((row) => chip(row, "+")), ...unlike.map((row) => chip(row, "−")));
  }
}
