// What the colours mean; a click on a group, or on a part of a range, leaves only such dots bright. That
// stays while the colours mean the same.

import { BINS, amountColour, groupColour, rest } from "./colours.js";
import { make } from "./dom.js";

export class Legend {
  constructor(onFilter) {
    this.onFilter = onFilter;
    this.kept = new Set();
    this.element = make("div", { className: "tx-legend" });
  }

  groups(values, { again = false, others = 0 } = {}) {
    this._means([again, ...values.map(([name]) => name)]);
    const items = values.map(([name, size], code) =>
      make(
        "button",
        { type: "button", "aria-pressed": String(this.kept.has(code)), title: name, on: { click: (event) => this._toggle(code, event.currentTarget) } },
        make("i", { style: { background: groupColour(code, { again }) } }),
        make("span", { textContent: name || "(empty)", dir: "auto" }),
        make("small", { textContent: size.toLocaleString("en") }),
      ),
    );
    if (others > 0) items.push(make("span", { className: "tx-others" }, make("i", { style: { background: rest() } }), `${others} more`));
    this.element.replaceChildren(...items);
  }

  amount(name, low, high) {
    this._means([name, low, high]);
    const said = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
    this.element.replaceChildren(make("span", { className: "tx-amount" }, `${name}: ${said(low)} `, this._ramp(low, high, said), ` ${said(high)}`));
  }

  // From one meaning to another.
  between(start, end, low, high) {
    this._means([start, end, low, high]);
    const said = (value) => value.toFixed(2);
    const name = (textContent) => make("b", { textContent, title: textContent, dir: "auto" });
    this.element.replaceChildren(
      make("span", { className: "tx-amount" }, name(start), ` ${said(low)} `, this._ramp(low, high, said), ` ${said(high)} `, name(end)),
    );
  }

  nothing() {
    this._means([]);
    this.element.replaceChildren();
  }

  // The range in equal parts, dark to bright; what lies beyond an end counts to its last part.
  _ramp(low, high, said) {
    const end = (bin) => low + ((high - low) * bin) / BINS;
    const parts = Array.from({ length: BINS }, (_, bin) => {
      const range = `${said(end(bin))} to ${said(end(bin + 1))}`;
      return make("button", {
        type: "button", title: range, "aria-label": range, "aria-pressed": String(this.kept.has(bin)),
        style: { background: amountColour(bin, 0, BINS - 1) }, on: { click: (event) => this._toggle(bin, event.currentTarget) },
      });
    });
    return make("span", { className: "tx-ramp", role: "group", "aria-label": "Leave only a part of the range bright" }, ...parts);
  }

  _means(what) {
    const key = JSON.stringify(what);
    if (key !== this.key) this.kept.clear();
    this.key = key;
  }

  // Those parts bright and no others, as far as there are such.
  keep(codes) {
    const buttons = [...this.element.querySelectorAll("button")];
    this.kept = new Set(codes.filter((code) => buttons[code]));
    buttons.forEach((button, code) => button.setAttribute("aria-pressed", String(this.kept.has(code))));
    this.onFilter(this.kept);
  }

  _toggle(code, button) {
    if (!this.kept.delete(code)) this.kept.add(code);
    button.setAttribute("aria-pressed", String(this.kept.has(code)));
    this.onFilter(this.kept);
  }
}
