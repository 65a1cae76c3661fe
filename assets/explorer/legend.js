// What the colours mean; a click on a group leaves only such groups bright.

import { amountGradient, groupColour, rest } from "./colours.js";
import { make } from "./dom.js";

export class Legend {
  constructor(onFilter) {
    this.onFilter = onFilter;
    this.kept = new Set();
    this.element = make("div", { className: "tx-legend" });
  }

  groups(values, { again = false, others = 0 } = {}) {
    this.kept.clear();
    const items = values.map(([name, size], code) =>
      make(
        "button",
        { type: "button", "aria-pressed": "false", title: name, on: { click: (event) => this._toggle(code, event.currentTarget) } },
        make("i", { style: { background: groupColour(code, { again }) } }),
        make("span", { textContent: name || "(empty)", dir: "auto" }),
        make("small", { textContent: size.toLocaleString("en") }),
      ),
    );
    if (others > 0) items.push(make("span", { className: "tx-others" }, make("i", { style: { background: rest() } }), `${others} more`));
    this.element.replaceChildren(...items);
  }

  amount(name, low, high) {
    this.kept.clear();
    const said = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
    this.element.replaceChildren(
      make("span", { className: "tx-amount" }, `${name}: ${said(low)} `, make("i", { className: "tx-ramp", style: { background: amountGradient } }), ` ${said(high)}`),
    );
  }

  // From one meaning to another.
  between(start, end, low, high) {
    this.kept.clear();
    const name = (textContent) => make("b", { textContent, title: textContent, dir: "auto" });
    this.element.replaceChildren(
      make("span", { className: "tx-amount" }, name(start), ` ${low.toFixed(2)} `, make("i", { className: "tx-ramp", style: { background: amountGradient } }), ` ${high.toFixed(2)} `, name(end)),
    );
  }

  nothing() {
    this.kept.clear();
    this.element.replaceChildren();
  }

  _toggle(code, button) {
    if (!this.kept.delete(code)) this.kept.add(code);
    button.setAttribute("aria-pressed", String(this.kept.has(code)));
    this.onFilter(this.kept);
  }
}
