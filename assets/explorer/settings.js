// Layouts: their names in addresses, and the menu of what sets them.

import { make } from "./dom.js";

const PARAMETERS = [
  ["n_neighbors", "Neighbours", 2, 100, 1, 15, "UMAP: how many nearest texts hold each one. Few show detail, many the whole."],
  ["min_dist", "Least distance", 0, 0.99, 0.01, 0.1, "UMAP: how close dots may lie. 0 packs groups, more spreads them."],
  ["perplexity", "Perplexity", 2, 100, 1, 30, "t-SNE: about how many neighbours each text listens to."],
  ["seed", "Seed", 0, 9999, 1, 42, "UMAP, t-SNE: the same seed gives the same map of the same texts."],
];
const NAMED_BY = { umap: ["n_neighbors", "min_dist", "seed"], tsne: ["perplexity", "seed"], pca: [] };

// What a layout's name says: "umap-15-0.1-42-3d" is UMAP with these numbers, in space.
export function optionsOf(key) {
  const [method, ...rest] = (key ?? "").split("-");
  const dimensions = rest.at(-1) === "3d" ? 3 : 2;
  const names = NAMED_BY[method];
  if (!names || rest.length !== names.length + (dimensions === 3)) return null;
  const numbers = Object.fromEntries(names.map((name, place) => [name, Number(rest[place])]));
  return Object.values(numbers).every(Number.isFinite) ? { method, dimensions, ...numbers } : null;
}

export class LayoutSettings {
  constructor(onApply) {
    this.inputs = {};
    const fields = PARAMETERS.map(([name, label, min, max, step, value, said]) => {
      this.inputs[name] = make("input", { type: "number", min, max, step, value, required: true, id: `tx-${name}` });
      return make("label", { className: "tx-parameter" }, make("b", { textContent: label }), this.inputs[name], make("small", { textContent: said }));
    });
    const apply = make("button", { type: "button", className: "primary", textContent: "Lay out again" });
    const defaults = make("button", { type: "button", textContent: "Defaults" });
    const buttons = make("div", { className: "tx-actions" }, apply, defaults);
    this.element = make("details", { className: "tx-menu tx-settings" }, make("summary", { textContent: "⚙", title: "Settings of the layout", "aria-label": "Settings of the layout" }), make("div", {}, ...fields, buttons));
    apply.addEventListener("click", () => {
      if (!Object.values(this.inputs).every((input) => input.reportValidity())) return;
      this.element.open = false;
      onApply();
    });
    defaults.addEventListener("click", () => PARAMETERS.forEach(([name, , , , , value]) => (this.inputs[name].value = value)));
  }

  get values() {
    return Object.fromEntries(Object.entries(this.inputs).map(([name, input]) => [name, Number(input.value)]));
  }

  // The numbers of the layout on screen.
  show(options) {
    for (const [name, input] of Object.entries(this.inputs)) if (name in options) input.value = options[name];
  }
}
