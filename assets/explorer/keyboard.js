// Keys of the map: `/` to the search, Esc back to all texts, arrows from a text to its neighbours.

import { make } from "./dom.js";
import { shortened } from "./saving.js";

const TOLD_CHARS = 120;
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Keyboard {
  constructor(explorer) {
    this.explorer = explorer;
    // A step moves the map's focus and not the browser's, so it is put into words for those who hear the page.
    this.said = make("p", { className: "tx-unseen", role: "status" });
    explorer.root.append(this.said);
    document.addEventListener("keydown", (event) => this._key(event));
  }

  _key(event) {
    const { toolbar, searching, stage, about } = this.explorer;
    if (!this._isForMap(event.target)) return;
    const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (event.key === "Escape" && (!typing || typing === toolbar.query)) return void this.explorer.clear();
    if (typing && typing === toolbar.query && event.key === "Enter" && event.shiftKey) {
      event.preventDefault();
      return void searching.step(-1);
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      toolbar.query.focus();
    }
    const by = STEPS[event.key];
    if (by && document.activeElement === stage && about?.n) {
      event.preventDefault();
      this._walk(by);
    }
  }

  // Another view's keys, and those of what lies over the map, are their own.
  _isForMap(target) {
    const { root } = this.explorer;
    const around = target === document.body || target.closest?.("#views > .tab-wrapper");
    return Boolean(root.clientWidth) && Boolean(around || root.contains(target));
  }

  // Through the neighbours of the text that was in focus when the walk began.
  async _walk(by) {
    const { explorer } = this;
    const { row, near, nearScores, about } = explorer;
    if (row === null) return this.to(0, `Text 1 of ${about.n.toLocaleString("en")}`);
    if (this.of !== explorer.id || !this.path.includes(row) || this.path[0] === row) Object.assign(this, { of: explorer.id, path: [row, ...near], scores: nearScores });
    const { path, scores } = this;
    const place = (path.indexOf(row) + by + path.length) % path.length;
    return this.to(path[place], place ? `Neighbour ${place} of ${scores.length}, score ${scores[place - 1].toFixed(3)}` : "Where the walk began");
  }

  // A text in focus, and told with its place; nothing where that failed, or another took its place meanwhile.
  to(row, place, how = {}) {
    const { explorer } = this;
    return explorer.guarded(async () => {
      await explorer.focus(row, how);
      const [{ text }] = await explorer.api.rows([row]);
      if (explorer.row === row) this.said.textContent = `${place}: ${shortened(text, TOLD_CHARS)}`;
    });
  }
}
