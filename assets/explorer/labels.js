// Names over the picture, as plain HTML: largest cluster first, each where it covers no other, so that
// zooming in shows more of them.

import { make } from "./dom.js";

const LABEL_GAP_PX = 6;

export class Labels {
  constructor() {
    this.element = make("div", { className: "tx-labels", "aria-hidden": "true" });
    this.kind = "name";
    this.set([]);
  }

  // Each has `name`, `nearest`, and `at`, its place.
  set(named) {
    this.named = named;
    const kept = this.kind === "none" ? [] : named;
    this.shown = kept.map(({ at, ...names }) => ({ at, element: make("span", { textContent: names[this.kind] ?? names.name, dir: "auto" }) }));
    this.element.classList.toggle("texts", this.kind === "nearest");
    this.element.replaceChildren(...this.shown.map(({ element }) => element));
    this.measured = false;
  }

  // "name" for keywords, "nearest" for the text nearest the centre, "none".
  show(kind) {
    this.kind = kind;
    this.set(this.named);
  }

  get visible() {
    return this.shown.filter(({ element }) => element.style.visibility === "visible");
  }

  // `placeOf` gives the left and top of a place in a picture of that size, or null where it isn't in it.
  place(placeOf, width, height) {
    if (!this.measured) {
      // All are measured before one is moved: else each would have the whole page laid out again.
      for (const label of this.shown) Object.assign(label, { halfWidth: label.element.offsetWidth / 2 + LABEL_GAP_PX, halfHeight: label.element.offsetHeight / 2 + LABEL_GAP_PX / 2 });
      this.measured = this.element.offsetWidth > 0;
    }
    const taken = [];
    for (const { element, at, halfWidth, halfHeight } of this.shown) {
      // One whose place is in the picture is moved so far that all of it is.
      const within = (value, half, size) => (value > 0 && value < size ? Math.min(Math.max(value, half), size - half) : value);
      const spot = placeOf(at);
      const [left, top] = spot ? [within(spot[0], halfWidth, width), within(spot[1], halfHeight, height)] : [NaN, NaN];
      const box = [left - halfWidth, top - halfHeight, left + halfWidth, top + halfHeight];
      const inside = box[0] > -halfWidth && box[1] > -halfHeight && box[2] < width + halfWidth && box[3] < height + halfHeight;
      const free = inside && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
      if (free) {
        taken.push(box);
        element.style.transform = `translate(-50%, -50%) translate(${left}px, ${top}px)`;
      }
      element.style.visibility = free ? "visible" : "hidden";
    }
  }
}
