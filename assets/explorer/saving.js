// What is taken away as a file: the Save menu of a view, and figures of the page as pictures of their own.

import { draw, make } from "./dom.js";

const PNG_SCALE = 2;
const MARGIN = 16;
const HEADING = 26;
const NAME_CHARS = 110;
// What a style sheet gives a chart, which outside the page has none.
const LOOKS = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight"];

// Items are links, or [words, what to do].
export function saveMenu(items) {
  const buttons = items.map((item) => (Array.isArray(item) ? make("button", { type: "button", textContent: item[0], on: { click: item[1] } }) : item));
  const menu = make("details", { className: "tx-menu tx-save" }, make("summary", { textContent: "Save" }), make("div", {}, ...buttons));
  menu.addEventListener("click", (event) => event.target.closest("a, button") && (menu.open = false));
  return menu;
}

// `what` is an address, or a blob.
export function save(what, name) {
  const href = what instanceof Blob ? URL.createObjectURL(what) : what;
  make("a", { href, download: name }).click();
  if (href !== what) setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

// A chart of the page with its looks written into it.
export function withLooks(chart) {
  const copy = chart.cloneNode(true);
  const all = (root) => [root, ...root.querySelectorAll("*")];
  const copies = all(copy);
  all(chart).forEach((element, place) => {
    const style = getComputedStyle(element);
    for (const look of LOOKS) copies[place].setAttribute(look, style.getPropertyValue(look));
  });
  return copy;
}

// A picture that plotly made, as an element.
export function fromAddress(address) {
  const written = decodeURIComponent(address.slice(address.indexOf(",") + 1));
  return new DOMParser().parseFromString(written, "image/svg+xml").documentElement;
}

// Charts with their names above them, side by side or one below another, on the ground and in the ink of `element`.
export function sheet(figures, element, { across = false } = {}) {
  const { color: ink, fontFamily } = getComputedStyle(element);
  let [x, y] = [MARGIN, MARGIN];
  let [width, height] = [0, 0];
  const parts = figures.flatMap(({ name, chart }) => {
    const [wide, high] = ["width", "height"].map((side) => Number(chart.getAttribute(side)));
    const title = draw("text", { x, y: y + 15, fill: ink, "font-family": fontFamily, "font-size": 14, "font-weight": 600 }, name);
    chart.setAttribute("x", x);
    chart.setAttribute("y", y + HEADING);
    width = Math.max(width, x + wide + MARGIN);
    height = Math.max(height, y + HEADING + high + MARGIN);
    if (across) x += wide + MARGIN;
    else y += HEADING + high + MARGIN;
    return [title, chart];
  });
  const ground = draw("rect", { width: "100%", height: "100%", fill: groundOf(element) });
  return draw("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, ground, ...parts);
}

// A text as the name of a figure.
export function shortened(text, most = NAME_CHARS) {
  const letters = [...text.replaceAll(/\s+/g, " ")];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : letters.join("");
}

export async function savePicture(chart, format, name) {
  const written = new XMLSerializer().serializeToString(chart);
  if (format === "svg") return save(new Blob([written], { type: "image/svg+xml" }), `${name}.svg`);
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(written)}`;
  await image.decode();
  const [width, height] = ["width", "height"].map((side) => Math.ceil(chart.getAttribute(side) * PNG_SCALE));
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  return save(await new Promise((done) => canvas.toBlob(done, "image/png")), `${name}.png`);
}

// The first ground below `element` that is not see-through.
function groundOf(element) {
  for (let one = element; one; one = one.parentElement) {
    const { backgroundColor } = getComputedStyle(one);
    if (!/^(transparent|rgba\(.*, 0\))$/.test(backgroundColor)) return backgroundColor;
  }
  return "#ffffff";
}
