// The heat map with its tree: drawn by plotly, walked by arrow keys; texts stand beside it as plain text.

import { amountScale } from "./colours.js";
import { debounced, isDark, make } from "./dom.js";

const NUMBERS_UP_TO = 14;
const FONT = "system-ui, sans-serif";
const TREE_SHARE = 0.15;
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Plotly reads some markup in what it draws: of a text nothing may be.
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const cut = (text, chars) => ([...text].length > chars ? `${[...text].slice(0, chars - 1).join("").trimEnd()}…` : text);

export class HeatMap {
  constructor(plotly, { onCell }) {
    this.plotly = plotly;
    this.onCell = onCell;
    this.canvas = make("div", { className: "sx-canvas" });
    this.card = make("div", { className: "tx-card sx-card", hidden: true });
    this.said = make("p", { className: "tx-unseen", role: "status" });
    this.element = make(
      "div",
      { className: "sx-heat", tabIndex: 0, role: "application", "aria-label": "Heat map. Arrow keys walk from cell to cell, Enter shows the two texts of a cell.", on: { keydown: (event) => this._key(event), blur: () => this._mark(null), pointerleave: () => (this.card.hidden = true) } },
      this.canvas,
      this.card,
      this.said,
    );
    new ResizeObserver(debounced(() => this._resized(), 80)).observe(this.element);
  }

  // `shown` is the server's answer with `scores` as Float32Array, row by row.
  async draw(shown) {
    this.shown = shown;
    this.at = null;
    this.card.hidden = true;
    await this._paint();
  }

  async repaint() {
    if (this.shown) await this._paint();
  }

  score(row, column) {
    return this.shown.scores[row * this.shown.names.length + column];
  }

  picture(format) {
    const style = getComputedStyle(this.element);
    const { data, layout } = this._figure();
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const filled = { ...layout, shapes: [], width, height, paper_bgcolor: style.backgroundColor, plot_bgcolor: style.backgroundColor };
    return this.plotly.toImage({ data, layout: filled }, { format, width, height, scale: format === "png" ? 2 : 1 });
  }

  async _paint() {
    const width = this.element.clientWidth;
    if (!width) return; // out of sight: drawn when it comes into it
    this.width = width;
    const { data, layout } = this._figure();
    this.canvas.style.height = `${layout.height}px`;
    await this.plotly.react(this.canvas, data, layout, { displayModeBar: false, responsive: false, doubleClick: false });
    if (!this.listening) {
      this.listening = true;
      const cell = ({ points }) => points[0]?.curveNumber === 0 && points[0].pointNumber;
      this.canvas.on("plotly_click", (event) => cell(event) && this._open(...cell(event)));
      this.canvas.on("plotly_hover", (event) => cell(event) && this._describe(...cell(event)));
      this.canvas.on("plotly_unhover", () => (this.card.hidden = true));
    }
    this.element.dataset.painted = `${this.shown.shown} ${this.shown.names.length}`;
  }

  _figure() {
    const { names, ids, kind, links, scores, sizes } = this.shown;
    const n = names.length;
    const width = this.element.clientWidth;
    const ink = isDark() ? "#c9ccd3" : "#4a4f59";
    const labelPx = Math.round(width < 520 ? 0.42 * width : Math.min(270, width * 0.27)); // on a phone words matter more than wide cells
    const size = n <= 20 ? 12.5 : 11;
    const rowPx = n <= NUMBERS_UP_TO ? 34 : n <= 30 ? 22 : 16;
    const numbers = ids.map((id, place) => (kind === "clusters" ? "" : String(id + 1)));
    const labels = names.map((name, place) => `\u2068${escaped(fitted(name || "(blank)", kind === "clusters" ? ` (${sizes[place].toLocaleString("en")})` : "", labelPx - 8, size))}\u2069`); // each in its own direction
    const z = Array.from({ length: n }, (_, row) => Array.from(scores.subarray(row * n, (row + 1) * n)));
    const [low, high] = reach(scores, n);
    const heights = links.map((link) => link[4]);
    const highest = Math.max(...heights, 1e-3);
    // Where all joints are far out, the tree begins shortly before the first.
    const lowest = Math.max(0, 2 * Math.min(...heights, 0.5 * highest) - highest);
    const share = width < 520 ? 0.12 : TREE_SHARE;
    const heat = {
      type: "heatmap", z, colorscale: amountScale, zmin: high - low < 1e-4 ? Math.min(0, low) : low, zmax: high - low < 1e-4 ? 1 : high, xgap: n <= 30 ? 1 : 0, ygap: n <= 30 ? 1 : 0, hoverinfo: "none",
      texttemplate: n <= NUMBERS_UP_TO && width / n > 44 ? "%{z:.2f}" : undefined,
      colorbar: { orientation: "h", thickness: 8, len: width < 520 ? 0.9 : 0.5, lenmode: "fraction", x: 0, xanchor: "left", y: 0, yref: "paper", yanchor: "top", ypad: 10, outlinewidth: 0, nticks: width < 520 ? 3 : 5, tickangle: 0, tickfont: { size: 11.5 }, title: { text: kind === "clusters" ? "mean cosine" : "cosine", side: "right", font: { size: 11.5 } } },
    };
    const tree = { type: "scatter", mode: "lines", line: { color: ink, width: 1, shape: "linear" }, hoverinfo: "skip", xaxis: "x2", yaxis: "y", x: links.flatMap(([, low_, , also, height]) => [low_, height, height, also, null]), y: links.flatMap(([one, , other]) => [one, one, other, other, null]) };
    const plain = { showgrid: false, zeroline: false, fixedrange: true, ticks: "", showline: false };
    const layout = {
      height: Math.max(240, n * rowPx + 96),
      margin: { l: labelPx, r: 6, t: 30, b: 58 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: FONT, size: 11.5, color: ink },
      showlegend: false, dragmode: false, shapes: this._frame(),
      xaxis: { ...plain, domain: [0, 1 - share - 0.02], range: [-0.5, n - 0.5], side: "top", tickmode: "array", tickvals: numbers.map((_, place) => place), ticktext: numbers, tickfont: { size: 10 }, showticklabels: kind !== "clusters" && width / n > 24, tickangle: 0 },
      yaxis: { ...plain, range: [n - 0.5, -0.5], tickmode: "array", tickvals: names.map((_, place) => place), ticktext: labels, tickfont: { size } },
      xaxis2: { ...plain, domain: [1 - share, 1], range: [lowest, highest + 0.02 * (highest - lowest)], side: "top", nticks: 2, tickfont: { size: 10 }, showticklabels: share > 0.12, title: share > 0.12 ? { text: "1 − cosine", font: { size: 10.5 }, standoff: 2 } : undefined },
    };
    return { data: [heat, tree], layout };
  }

  _frame() {
    if (!this.at) return [];
    const [row, column] = this.at;
    return [{ type: "rect", x0: column - 0.5, x1: column + 0.5, y0: row - 0.5, y1: row + 0.5, line: { color: isDark() ? "#ffffff" : "#d4006a", width: 2.5 } }];
  }

  _mark(at) {
    this.at = at;
    if (!at) this.card.hidden = true;
    if (this.canvas.layout) this.plotly.relayout(this.canvas, { shapes: this._frame() });
  }

  _describe(row, column) {
    const { names } = this.shown;
    const line = (text) => make("div", { textContent: cut(text || "(blank)", 140), dir: "auto" });
    this.card.replaceChildren(make("b", { textContent: this.score(row, column).toFixed(4) }), line(names[row]), ...(row === column ? [] : [line(names[column])]));
    this.card.hidden = false;
    const { xaxis, yaxis } = this.canvas._fullLayout;
    const x = xaxis._offset + xaxis.l2p(column);
    const y = yaxis._offset + yaxis.l2p(row);
    const left = Math.max(0, Math.min(x + 14, this.element.clientWidth - this.card.offsetWidth - 4));
    const below = y + 18 + this.card.offsetHeight < this.element.clientHeight;
    this.card.style.transform = `translate(${left}px, ${below ? y + 14 : y - this.card.offsetHeight - 14}px)`;
  }

  _open(row, column) {
    this._mark([row, column]);
    this.card.hidden = true;
    this.onCell(row, column);
  }

  _key(event) {
    const n = this.shown?.names.length;
    if (!n || event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.key === "Enter" || event.key === " ") && this.at) {
      event.preventDefault();
      return this._open(...this.at);
    }
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const within = (place) => Math.min(n - 1, Math.max(0, place));
    const at = this.at ? [within(this.at[0] + move[0]), within(this.at[1] + move[1])] : [0, Math.min(1, n - 1)];
    this._mark(at);
    this._describe(...at);
    const { names } = this.shown;
    this.said.textContent = `${this.score(...at).toFixed(3)}: ${cut(names[at[0]], 80)} — ${cut(names[at[1]], 80)}`;
  }

  _resized() {
    if (this.shown && this.element.clientWidth && this.element.clientWidth !== this.width) this._paint();
  }
}

const pen = document.createElement("canvas").getContext("2d");

// As much of `text` as `width` pixels hold together with `end`.
function fitted(text, end, width, size) {
  pen.font = `${size}px ${FONT}`;
  const letters = [...text];
  const wide = (kept) => pen.measureText((kept < letters.length ? `${letters.slice(0, kept).join("")}…` : text) + end).width;
  if (wide(letters.length) <= width) return text + end;
  let [low, high] = [0, letters.length];
  while (low < high - 1) {
    const middle = (low + high) >> 1;
    if (wide(middle) <= width) low = middle;
    else high = middle;
  }
  return `${letters.slice(0, low).join("").trimEnd()}…${end}`;
}

// The colours' range: the diagonal, a text with itself, would leave the others all dark.
function reach(scores, n) {
  let [low, high] = [Infinity, -Infinity];
  scores.forEach((score, place) => {
    if (n > 1 && place % (n + 1) === 0) return;
    low = Math.min(low, score);
    high = Math.max(high, score);
  });
  return [low, high];
}
