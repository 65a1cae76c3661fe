// How many of the true ten nearest are still found when vectors are cut or coded: measured form by
// form, drawn as it comes. The slider asks for any number of dimensions.

import { count, debounced, make } from "./dom.js";
import { chart } from "./retention_chart.js";
import { Waiting } from "./waiting.js";

const AT_ONCE = 10_000; // of more texts it's measured when it is asked for
const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 2 : 1)} %`;
// Of a sample, how far all may be from it, in 95 of 100 samples.
const within = ({ margin }) => (margin >= 0.0005 ? ` ± ${(100 * margin).toFixed(1)}` : "");
const bytes = (number) => `${number.toLocaleString("en")} bytes`;

export class Retention {
  // `onChosen`: a visitor has set the slider.
  constructor(onChosen) {
    this.slider = make("input", { type: "range", min: 1, id: "tx-width", "aria-label": "Dimensions kept" });
    this.shown = make("output", { htmlFor: "tx-width", className: "tx-kept" });
    this.progress = make("div", { className: "tx-measuring", role: "status" });
    this.whole = make("div", { className: "tx-measuring", hidden: true });
    this.waiting = new Waiting("Measuring:", () => this._offerWhole());
    this.picture = make("div", { className: "tx-chart" });
    this.table = make("table", { className: "tx-forms" });
    this.note = make("p", { className: "tx-note" });
    this.instead = make("p", { role: "status", hidden: true });
    this.body = make("div", { className: "tx-retention" }, make("label", { className: "tx-width" }, "Dimensions kept", this.slider), this.shown, this.progress, this.whole, this.waiting.element, make("div", { className: "tx-beside-chart" }, this.picture, this.table), this.note);
    this.element = make("section", { className: "tx-section", "aria-label": "How small can these vectors be?" }, make("h2", { textContent: "How small can these vectors be?" }), this.body, this.instead);
    const ask = debounced(() => this._measure(String(this.slider.value)).then(() => this._show()), 200);
    this.slider.addEventListener("input", () => (this._show(), this.plan && !this.found.has(this.slider.value) && ask()));
    this.slider.addEventListener("change", () => this.plan && onChosen(Number(this.slider.value)));
    new ResizeObserver(debounced(() => this._draw(), 80)).observe(this.picture);
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this._begin()).observe(this.element);
  }

  // `width`: dimensions that the slider is set to, where they are known from before.
  use(api, width = NaN) {
    this.api = api;
    this.width = width;
    this.plan = null;
    this.found = new Map();
    this.running = (this.running ?? 0) + 1;
    this.begun = false;
    this.body.hidden = false;
    this.waiting.stop();
    this.whole.hidden = true;
    delete this.element.dataset.whole;
    this.picture.replaceChildren();
    this.table.replaceChildren();
    this.progress.replaceChildren();
    this.shown.textContent = this.note.textContent = "";
    this.instead.hidden = true;
    this._look();
  }

  // The dimensions that somebody has set it to, fewer than there are.
  get chosen() {
    if (!this.plan) return this.width || null;
    return Number(this.slider.value) < this.plan.dimensions ? Number(this.slider.value) : null;
  }

  repaint() {
    this._draw();
    this._look();
  }

  // Who was in sight before and is again, from one frame to the next, is not told so by its observer.
  _look() {
    const { top, bottom } = this.element.getBoundingClientRect();
    if (bottom > 0 && top < innerHeight && this.element.offsetParent) this._begin();
  }

  async _begin() {
    if (this.begun || !this.api) return;
    this.begun = true;
    const turn = this.running;
    try {
      const plan = await this.api.json("/retention/plan");
      if (turn !== this.running) return;
      if (plan.why_not) return void this._say(plan.why_not, "tx-note");
      this.plan = plan;
      this.slider.max = plan.dimensions;
      this.slider.value = this.width || plan.dimensions;
      this.note.textContent = plan.said;
      if (plan.n <= AT_ONCE) await this._run();
      else {
        this.progress.replaceChildren(make("button", { type: "button", textContent: `Measure over ${plan.sample.toLocaleString("en")} of ${count(plan.n, "text")}`, on: { click: () => this._run() } }));
        this._offerWhole();
      }
      if (this.chosen) await this._measure(this.slider.value).then(() => this._show());
    } catch (error) {
      if (turn === this.running) this._fail(error);
    }
  }

  async _run() {
    const turn = ++this.running;
    const { steps } = this.plan;
    const started = performance.now();
    const stop = make("button", { type: "button", textContent: "Stop", on: { click: () => this._stop() } });
    const line = make("span", {});
    const done = make("progress", { max: steps.length, value: 0 });
    this.progress.replaceChildren(line, done, stop);
    this.whole.hidden = true;
    for (const [place, step] of steps.entries()) {
      const left = place ? ((performance.now() - started) / place) * (steps.length - place) : 0;
      line.textContent = `Measuring ${step.name}: ${place} of ${steps.length} done${left > 1000 ? `, about ${Math.round(left / 1000)} s left` : ""}`;
      done.value = place;
      await this._measure(step.what);
      if (turn !== this.running) return;
      this._draw();
      this._show();
    }
    this.progress.replaceChildren();
    this.element.dataset.measured = steps.length;
    this._offerWhole();
  }

  // Where a sample is looked at all texts can be, or it is said why not.
  _offerWhole() {
    const { n, sample, steps, whole_why_not: whyNot } = this.plan;
    const left = steps.some(({ what }) => this.found.get(what)?.rows !== n);
    const button = make("button", { type: "button", textContent: `Measure over all ${count(n, "text")}`, on: { click: () => this._measureAll() } });
    this.whole.replaceChildren(whyNot ?? button);
    this.whole.hidden = sample === n || !left;
    this.progress.hidden = false;
    if (!left) this.progress.replaceChildren();
  }

  // Form by form in the place of what the sample said.
  async _measureAll() {
    const { api, plan } = this;
    const forms = [...new Set([this.slider.value, ...plan.steps.map(({ what }) => what)])];
    this.running += 1;
    this.whole.hidden = this.progress.hidden = true;
    try {
      const done = await this.waiting.run(api, "/retention", { what: forms }, ({ found }) => {
        if (!found || api !== this.api) return;
        this.found.set(found.what, found);
        this._show();
      });
      if (api !== this.api || !done) return;
      this.element.dataset.whole = forms.length;
    } catch (error) {
      if (api === this.api) this._fail(error);
    }
    if (api === this.api) this._offerWhole();
  }

  _stop() {
    this.running += 1;
    this._offerWhole();
    this.progress.replaceChildren("Stopped. ", make("button", { type: "button", textContent: "Go on", on: { click: () => this._run() } }));
  }

  async _measure(what) {
    if (this.found.has(what)) return;
    const { api } = this;
    try {
      const found = await api.json(`/retention/${what}`);
      if (api === this.api) this.found.set(what, found);
      this._draw();
    } catch (error) {
      if (api === this.api) this._fail(error);
    }
  }

  _fail(error) {
    this._say(error.message, "tx-problem");
    this.begun = Boolean(this.plan);
  }

  // In the place of figures, or below them.
  _say(message, className) {
    this.running += 1;
    if (!this.plan) this.body.hidden = true;
    this.instead.className = className;
    this.instead.textContent = message;
    this.instead.hidden = false;
  }

  _show() {
    if (!this.plan) return;
    this.instead.hidden = true;
    const { dimensions, bytes: whole, k } = this.plan;
    const found = this.found.get(this.slider.value);
    const size = `${count(Number(this.slider.value), "dimension")} of ${dimensions}, ${bytes(4 * this.slider.value)} a vector of ${whole.toLocaleString("en")}`;
    this.shown.textContent = found ? `${size}: ${(k * found.share).toFixed(1)} of ${k} true neighbours kept (${percent(found.share)}${within(found)}), ${found.over}.` : `${size}: measuring…`;
    this.shown.dataset.width = found ? this.slider.value : "";
    this._draw();
  }

  _draw() {
    if (!this.plan || !this.picture.clientWidth) return;
    const chosen = this.found.get(this.slider.value);
    this.picture.replaceChildren(chart([...this.found.values()], { ...this.plan, chosen }, this.picture.clientWidth));
    const coded = this.plan.steps.filter((step) => !step.cut).map((step) => this.found.get(step.what) ?? step);
    const rows = [...(chosen ? [chosen] : []), ...coded];
    const cell = (tag, textContent) => make(tag, tag === "th" ? { textContent, scope: "row" } : { textContent });
    this.table.replaceChildren(
      make("tr", {}, ...["Vectors as", "bytes each", `of ${this.plan.k} kept`].map((textContent) => make("th", { textContent, scope: "col" }))),
      ...rows.map((row) => make("tr", { "data-what": row.what }, cell("th", row.name), cell("td", row.bytes.toLocaleString("en") + (row.what === "rescored" ? ` + ${this.plan.bytes.toLocaleString("en")} to rescore` : "")), cell("td", row.share === undefined ? "…" : percent(row.share)))),
    );
  }
}
