// Semantic axes: two ends written by the visitor place every text between them. One axis is a colour
// and a list of both ends, two are a map of their own with the ends written at its edges.

import { make } from "./dom.js";
import { signed } from "./strip.js";

const NAME_CHARS = 28;
const EXAMPLE = [["simple and easy", "complex and advanced"], ["about text", "about numbers"]];
const EDGES = ["left", "right", "bottom", "top"];

const short = (name) => (name.length > NAME_CHARS ? `${name.slice(0, NAME_CHARS - 1).trimEnd()}…` : name);
const named = ({ start, end }) => `${short(start)} → ${short(end)}`;

export class Axes {
  constructor(explorer) {
    this.explorer = explorer;
    this.fields = EXAMPLE.map((example, place) => example.map((words, end) => make("textarea", { rows: 1, maxLength: 2000, placeholder: words, id: `tx-pole-${place}-${end}`, dir: "auto" })));
    this.remove = make("button", { type: "button", textContent: "Remove", hidden: true, on: { click: () => this.take([]) } });
    this.problem = make("p", { className: "tx-problem", role: "alert", hidden: true });
    const field = (place, end, label) => make("label", {}, label, this.fields[place][end]);
    this.form = make(
      "form",
      { on: { submit: (event) => (event.preventDefault(), this.submitted()) } },
      make("fieldset", {}, make("legend", { textContent: "From one meaning to another" }), field(0, 0, "From"), field(0, 1, "to")),
      make("fieldset", {}, make("legend", { textContent: "A second axis makes a map of both" }), field(1, 0, "From"), field(1, 1, "to")),
      make("small", { textContent: "Words or sentences, several parted by | or lines. Every text gets its place between their means." }),
      this.problem,
      make("div", { className: "tx-actions" }, make("button", { type: "submit", className: "primary", textContent: "Show" }), this.remove),
    );
    this.element = make("details", { className: "tx-menu tx-axes" }, make("summary", { textContent: "Axes", title: "Colour or lay out by meaning, between words of your own" }), make("div", {}, this.form));
    this.edges = Object.fromEntries(EDGES.map((edge) => [edge, make("span", { className: `tx-edge ${edge}`, dir: "auto" })]));
    explorer.stage.append(...Object.values(this.edges));
    explorer.toolbar.element.querySelector(".tx-settings").after(this.element);
    this.form.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.submitted());
    this.forget();
  }

  forget() {
    this.laid = [];
    this.key = null;
    this.remove.hidden = true;
    this.fields.flat().forEach((field) => (field.value = ""));
    return this.write();
  }

  // What the colours may be chosen by, as [value, name].
  choices() {
    return this.laid.map((axis, place) => [`axis-${place}`, named(axis)]);
  }

  at(value) {
    return this.laid[Number(/^axis-(\d)$/.exec(value)?.[1] ?? -1)];
  }

  // Where a text lies, for its card on the map.
  beside(row) {
    return this.laid.map((axis) => make("div", { className: "tx-beside" }, make("b", { textContent: named(axis) }), ` ${signed(axis.places[row])}`));
  }

  submitted() {
    const written = this.fields.map((ends) => ends.map((end) => end.value.trim()));
    const wanted = written.filter((ends, place) => !place || ends.some(Boolean));
    const half = wanted.flatMap((ends, place) => ends.map((end, side) => (end ? null : this.fields[place][side]))).find(Boolean);
    if (half) {
      this.say("An axis needs words at both ends, such as “cheap” and “expensive”.");
      return half.focus();
    }
    return this.take(wanted);
  }

  // Lay these axes, or none. The server knows a layout by its key alone: the words stay with whoever wrote them.
  async take(wanted, { show = true } = {}) {
    const { explorer } = this;
    this.say("");
    try {
      const { id } = explorer;
      const axes = wanted.map(([start, end]) => ({ start, end }));
      const found = axes.length ? await explorer.api.post("/axes", { axes }) : { axes: [], key: null };
      if (id !== explorer.id) return;
      this.poles = wanted;
      this.laid = found.axes.map((axis) => ({ ...axis, places: floats(axis.places) }));
      const gone = this.key && this.key === explorer.layoutKey && this.key !== found.key;
      this.key = found.key;
      this.remove.hidden = !wanted.length;
      this.element.open = false;
      if (show && this.laid.length) explorer.colouring.picked = this.laid.length === 1 ? named(this.laid[0]) : explorer.colouring.picked;
      await explorer.colouring.choices();
      await explorer.paint();
      this.write();
      if (show && this.key && explorer.layoutKey !== this.key) this.again();
      else if (gone) explorer.trigger("input", { layout: { ...explorer.toolbar.options(), method: "umap" } });
      if (show) await (this.laid.length ? this.list() : explorer.everything());
      if (show && axes.length) explorer.trigger("submit", { id, did: "axes", axes });
      explorer.remember();
      explorer.stage.dataset.axes = this.laid.map(named).join(", ");
    } catch (error) {
      this.say(error.message);
      if (!this.element.open) throw error;
    }
  }

  say(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = !sentence;
  }

  // To the map of both axes.
  again() {
    if (this.key) this.explorer.trigger("input", { layout: { method: "axes", key: this.key } });
  }

  // The ends at the edges of their map, and the map among the layouts to choose from.
  write() {
    const here = Boolean(this.key) && this.explorer.layoutKey === this.key;
    const [across, up] = this.laid;
    const words = here ? [`← ${short(across.start)}`, `${short(across.end)} →`, `↓ ${short(up.start)}`, `↑ ${short(up.end)}`] : [];
    EDGES.forEach((edge, place) => {
      this.edges[edge].textContent = words[place] ?? "";
      this.edges[edge].hidden = !here;
    });
    const { layout } = this.explorer.toolbar;
    const option = layout.querySelector("option[value=axes]");
    if (this.key && !option) layout.append(make("option", { value: "axes", textContent: "Axes" }));
    if (!this.key) option?.remove();
    if (here) layout.value = "axes";
    // Two axes are two scales: each may fill its side of the picture.
    return this.explorer.plot?.setStretched(here);
  }

  // The names at the edges, for a picture of the map: as plotly's annotations.
  notes(ink) {
    if (!this.key || this.explorer.layoutKey !== this.key) return [];
    const at = { left: [0.01, 0.5, "left", "middle"], right: [0.99, 0.5, "right", "middle"], bottom: [0.5, 0.01, "center", "bottom"], top: [0.5, 0.99, "center", "top"] };
    const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return EDGES.map((edge) => {
      const [x, y, xanchor, yanchor] = at[edge];
      return { x, y, xanchor, yanchor, xref: "paper", yref: "paper", showarrow: false, text: `<b>${escaped(this.edges[edge].textContent)}</b>`, font: { size: 14, color: ink } };
    });
  }

  async list() {
    const { api, panel } = this.explorer;
    const parts = [];
    for (const axis of this.laid) {
      const end = async (rows, name) => {
        const texts = await api.rows(rows);
        parts.push(make("h3", { textContent: `Nearest to “${short(name)}”` }), make("ol", { className: "tx-rows" }, ...texts.map((text) => panel.row(text, axis.places[text.row], signed))));
      };
      parts.push(make("p", { className: "tx-note", textContent: `${axis.said} The words themselves lie at ${signed(axis.ends[0], 2)} and ${signed(axis.ends[1], 2)}.` }));
      await end(axis.most, axis.end);
      await end(axis.least, axis.start);
    }
    panel.show("Selection");
    await panel.list("Selection", { title: this.laid.map(named).join(", "), rows: [], about: make("div", {}, ...parts), clear: () => this.explorer.everything() });
  }

  // Into the address, and from there.
  remember(state) {
    if (!this.laid.length) return;
    for (const [start, end] of this.poles) {
      state.append("from", start);
      state.append("to", end);
    }
  }

  async restore(wanted) {
    const [from, to] = [wanted.getAll("from"), wanted.getAll("to")];
    const poles = from.slice(0, 2).map((start, place) => [start, to[place] ?? ""]);
    if (!poles.length) return;
    poles.forEach((ends, place) => ends.forEach((words, side) => (this.fields[place][side].value = words)));
    const picked = wanted.get("colour");
    await this.take(poles, { show: false });
    this.explorer.colouring.picked = picked;
    await this.explorer.colouring.choices();
    await this.explorer.paint();
    if ((wanted.get("layout") ?? "").startsWith("axes-") && this.explorer.layoutKey !== this.key) this.again();
    await this.list();
  }
}

function floats(coded) {
  return new Float32Array(Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0)).buffer);
}
