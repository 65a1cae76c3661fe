// Tabs over panels, which the arrow keys walk through.

import { make } from "./dom.js";

export class Tabs {
  // `names` maps a short id to what stands on the tab; `onShow` hears which one is open.
  constructor(prefix, label, names, onShow) {
    this.onShow = onShow;
    this.ids = Object.keys(names);
    this.tabs = {};
    this.bodies = {};
    for (const [id, name] of Object.entries(names)) {
      const [tab, panel] = [`${prefix}-tab-${id}`, `${prefix}-panel-${id}`];
      this.tabs[id] = make("button", { type: "button", textContent: name, role: "tab", id: tab, "aria-controls": panel, on: { click: () => this.show(id), keydown: (event) => this._step(event, id) } });
      this.bodies[id] = make("div", { className: "tx-body", role: "tabpanel", id: panel, "aria-labelledby": tab, tabIndex: 0 });
    }
    this.element = make(
      "section",
      { className: "tx-panel", "aria-label": label },
      make("div", { className: "tx-tabs", role: "tablist", "aria-label": label }, ...Object.values(this.tabs)),
      ...Object.values(this.bodies),
    );
  }

  show(id) {
    for (const one of this.ids) {
      this.tabs[one].setAttribute("aria-selected", String(one === id));
      this.tabs[one].tabIndex = one === id ? 0 : -1;
      this.bodies[one].hidden = one !== id;
    }
    this.shown = id;
    this.onShow(id);
  }

  _step(event, id) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = this.ids[(this.ids.indexOf(id) + step + this.ids.length) % this.ids.length];
    this.show(next);
    this.tabs[next].focus();
  }
}
