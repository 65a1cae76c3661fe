// What sets a selection apart: words, and each column's values, counted in the selection against all.

import { make } from "./dom.js";

const ROWS = 5;
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
const number = (value) => value.toLocaleString("en");

export function contrast({ n, total, words, columns }, onValue) {
  return make("div", { className: "tx-contrast" }, wordChips(words, onValue), ...Object.entries(columns).map(([name, found]) => column(name, found, { n, total, onValue })));
}

function wordChips(words, onValue) {
  if (!words.length) return null;
  const chip = ({ name, selected, total, z }) =>
    make(
      "button",
      { type: "button", className: "tx-chip", title: `${number(selected)} of the ${number(total)} texts with this word are selected; z = ${z}`, on: { click: () => onValue(name, null) } },
      make("span", { textContent: name, dir: "auto" }),
      make("small", { textContent: `${number(selected)} of ${number(total)}` }),
    );
  return make("div", { className: "tx-special" }, make("h3", { textContent: "Words more than elsewhere" }), ...words.map(chip));
}

// Values that are more here than elsewhere come first, then the commonest; open where there is one of the former.
function column(name, { special, common, others }, { n, total, onValue }) {
  const more = new Map(special.map((one) => [one.name, one]));
  const rest = common.filter(([value]) => !more.has(value)).slice(0, Math.max(0, ROWS - more.size));
  const rows = [...special.map((one) => [one.name, one.selected, one.total]), ...rest];
  const left = common.length + others - rows.length;
  const line = ([value, selected, whole]) => {
    const [here, everywhere] = [selected / n, whole / total];
    const said = `${percent(here)} of the selection, ${percent(everywhere)} of all`;
    return make(
      "tr",
      { className: more.has(value) ? "more" : "" },
      make("th", { scope: "row" }, make("button", { type: "button", title: `Colour by ${name} and show only this: ${said}`, on: { click: () => onValue(value, name) } }, make("span", { textContent: value || "(empty)", dir: "auto" }))),
      make("td", { title: said }, make("i", { className: "tx-share", style: { width: `${100 * here}%` } }), make("i", { className: "tx-whole", style: { left: `${100 * everywhere}%` } })),
      make("td", {}, `${number(selected)} of ${number(whole)}`),
    );
  };
  return make(
    "details",
    { className: "tx-column", open: special.length > 0 },
    make("summary", {}, make("span", { textContent: name, dir: "auto" }), make("small", { textContent: special.length ? "more here than elsewhere" : "as everywhere" })),
    make("table", {}, ...rows.map(line)),
    left > 0 ? make("p", { className: "tx-note", textContent: `and ${number(left)} more ${left === 1 ? "value" : "values"}` }) : null,
  );
}
