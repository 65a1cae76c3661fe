// The first map before all else is there: dots on a plain canvas, and the names of their clusters. It stands
// in the page itself, as one plain script; `main.js` takes it away once its own map is painted.

const sight = document.getElementById("first-sight");
const PATIENCE_MS = 30_000;
const NONE = 255;

function drawSight({ layout, places, low, high, codes: coded, clusters }) {
  const stage = sight.querySelector(".tx-plot");
  const canvas = stage.querySelector("canvas");
  const labels = new Labels();
  stage.append(labels.element);
  labels.set(clusters);
  const shares = new Uint16Array(bytes(places).buffer);
  const n = shares.length / 2;
  const [x, y] = [0, 1].map((axis) => Float32Array.from({ length: n }, (_, row) => low[axis] + (shares[2 * row + axis] / 65535) * (high[axis] - low[axis])));
  const codes = coded && bytes(coded);
  const colourOf = codes ? (row) => groupColour(codes[row] === NONE ? -1 : codes[row]) : accent;
  const range = bounds(x, y);
  const draw = () => {
    const [width, height, ratio] = [stage.clientWidth, stage.clientHeight, devicePixelRatio];
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    // A step is as long in both directions, as on the map that follows.
    const scale = Math.min(width / (range.x[1] - range.x[0]), height / (range.y[1] - range.y[0]));
    const middle = (ends) => (ends[0] + ends[1]) / 2;
    const placeOf = ([left, top]) => [width / 2 + (left - middle(range.x)) * scale, height / 2 - (top - middle(range.y)) * scale];
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.globalAlpha = BRIGHT;
    const spots = Array.from({ length: n }, (_, row) => placeOf([x[row], y[row]]));
    for (let row = 0; row < n; row += 1) {
      pen.fillStyle = colourOf(row);
      pen.beginPath();
      pen.arc(...spots[row], dotSize(n) / 2, 0, 2 * Math.PI);
      pen.fill();
    }
    labels.place(placeOf, width, height, sampled(n, SPOTS).map((row) => spots[row]));
  };
  draw();
  stage.dataset.painted = `${layout} ${n}`;
  new ResizeObserver(draw).observe(stage);
}

function bytes(coded) {
  return Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0));
}

function beginSight() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("tessera-theme");
  } catch {
    // Storage may be closed to us; then the system decides.
  }
  document.body.classList.toggle("dark", chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  drawSight(JSON.parse(document.getElementById("first-sight-data").textContent));
  setTimeout(() => sight.remove(), PATIENCE_MS);
}

beginSight();
