// Work of the server's that takes longer than a moment: a bar, the time left, and Cancel.

import { make } from "./dom.js";

const SHOWN_AFTER_MS = 300;
const GUESSED_FROM = 0.05;

export class Waiting {
  constructor(what, onCancelled) {
    this.what = what;
    this.bar = make("progress", { max: 1, value: 0, "aria-label": what });
    this.line = make("span", { role: "status" });
    this.cancel = make("button", { type: "button", textContent: "Cancel", on: { click: () => (this.stop(), onCancelled()) } });
    this.element = make("div", { className: "sx-waiting", hidden: true }, this.line, this.bar, this.cancel);
  }

  stop() {
    this.controller?.abort();
    this.element.hidden = true;
  }

  // The last line of `api.lines(path, body)`, each told to `onLine` when it comes; what ran before it here is
  // given up. Aborted, it is null.
  async run(api, path, body, onLine = () => {}) {
    this.stop();
    const { signal } = (this.controller = new AbortController());
    const started = performance.now();
    const late = setTimeout(() => this._tell(0, started, signal), SHOWN_AFTER_MS);
    let last = null;
    try {
      for await (const line of api.lines(path, body, signal)) {
        last = line;
        onLine(line);
        if (line.stage) this.what = line.stage;
        if ("share" in line && performance.now() - started > SHOWN_AFTER_MS) this._tell(line.share, started, signal);
      }
      return signal.aborted ? null : last;
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    } finally {
      clearTimeout(late);
      if (!signal.aborted) this.element.hidden = true;
    }
  }

  _tell(share, started, signal) {
    if (signal.aborted) return;
    const left = share > GUESSED_FROM ? ((performance.now() - started) * (1 - share)) / share / 1000 : 0;
    this.bar.value = share;
    this.line.textContent = `${this.what} ${Math.round(share * 100)} %${left >= 1 ? `, about ${Math.round(left)} s left` : ""}`;
    this.element.hidden = false;
  }
}
