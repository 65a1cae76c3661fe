// Keys of the map: `/` to the search, Esc back to all texts, arrows from a text to its neighbours.

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Keyboard {
  constructor(explorer) {
    this.explorer = explorer;
    document.addEventListener("keydown", (event) => this._key(event));
  }

  _key(event) {
    const { toolbar, searching, stage, about } = this.explorer;
    if (!this._isForMap(event.target)) return;
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
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
  _walk(by) {
    const { explorer } = this;
    const { row, near } = explorer;
    if (row === null) return explorer.guarded(() => explorer.focus(0));
    if (!this.path || !this.path.includes(row) || this.path[0] === row) this.path = [row, ...near];
    const next = this.path[(this.path.indexOf(row) + by + this.path.length) % this.path.length];
    return explorer.guarded(() => explorer.focus(next));
  }
}
