// What was brought and not embedded yet: text in the box, and a file that was only looked at, by a ticket that
// the server gave for it. Kept in this tab, so that a reload finds it; let go once its texts are on the map.

import { debounced } from "./dom.js";
import { keepInTab, keptInTab } from "./tab_store.js";

const [PASTED, UPLOAD, OPEN] = ["pasted", "upload", "bring"];
const EMBEDS = { "#embed": PASTED, "#embed-file": UPLOAD };
const OTHERS = ".sample, #shelf-side"; // what brings texts otherwise
const SAMPLE = "sample-"; // how the ids of samples begin
const USUAL_WAY = "Guess";
const MOST_CHARS = 1_000_000; // a browser keeps some 5 MB of a page
const WAIT_MS = 300;
const SETTLED_MS = 500;

const box = () => document.querySelector("#texts textarea");
const ways = () => [...document.querySelectorAll("#paste-way input[type=radio]")];
const waysAreThere = () => ways().length > 0;
const inside = (event, selector) => event.target instanceof Element && event.target.closest(selector);

let sent = null; // what was asked to be embedded, until the server says under which id it comes
let shown = () => null; // the id of the texts on screen
let shownThen = null; // when that was asked for
let embedded = null; // text that still stands in the box though it is on the map

export function keepBrought(idOnScreen) {
  shown = idOnScreen;
  const before = keptInTab(PASTED);
  const keep = () => box() && keepText(box().value, ways().find(({ checked }) => checked)?.value ?? USUAL_WAY);
  const soon = debounced(keep, WAIT_MS);
  if (before) whenThere(() => box() && waysAreThere(), () => takeUp(before));
  document.addEventListener("input", (event) => inside(event, "#texts") && soon());
  addEventListener("pagehide", keep);
  document.addEventListener("change", (event) => inside(event, "#paste-way") && keep());
  document.addEventListener("click", (event) => {
    const tab = inside(event, "#bring [role=tab]");
    if (tab) keepInTab(OPEN, tab.textContent.trim());
    const way = Object.keys(EMBEDS).find((selector) => inside(event, selector));
    if (way) [sent, shownThen] = [EMBEDS[way], shown()];
    else if (inside(event, OTHERS)) sent = null;
  }, { capture: true });
  const address = new URLSearchParams(location.search).get("data");
  if ([before?.text && before, keptInTab(UPLOAD)].some((kept) => kept && kept.as !== address)) openAgain();
}

function keepText(text, way) {
  const some = (text || way !== USUAL_WAY) && text !== embedded && text.length <= MOST_CHARS;
  const before = keptInTab(PASTED);
  if (some && before?.text === text && before.way === way) return;
  keepInTab(PASTED, some ? { text, way } : null);
}

function takeUp({ text, way }) {
  // As if it was written there: Gradio hears of it.
  if (!box().value) Object.assign(box(), { value: text }).dispatchEvent(new Event("input", { bubbles: true }));
  choose(way, performance.now() + SETTLED_MS);
}

// A moment after it is there, Gradio sets what a field begins with once more.
function choose(way, until_ms) {
  const wanted = ways().find(({ value }) => value === way);
  if (wanted && !wanted.checked) wanted.click();
  if (performance.now() < until_ms) setTimeout(() => choose(way, until_ms), SETTLED_MS / 10);
}

function openAgain() {
  const name = keptInTab(OPEN);
  const tab = () => [...document.querySelectorAll("#bring [role=tab]")].find(({ textContent }) => textContent.trim() === name);
  if (name) whenThere(tab, () => tab().click());
}

// Gradio makes what a tab holds when it is first opened.
function whenThere(there, run) {
  if (there()) return run();
  const watch = new MutationObserver(() => there() && (watch.disconnect(), run()));
  return watch.observe(document.body, { childList: true, subtree: true });
}

// It comes, under this id: what is written from now on is other text.
export function comesAs(id) {
  const kept = sent && keptInTab(sent);
  if (kept) keepInTab(sent, { ...kept, as: id });
  sent = null;
}

// All texts of this id are on the map. Others than were there when something was sent are what was sent, also
// where it was not said before; a sample never is.
export function cameAs(id) {
  const others = id !== shownThen && !id.startsWith(SAMPLE);
  for (const name of [PASTED, UPLOAD]) {
    const kept = keptInTab(name);
    if (!kept || (kept.as !== id && !(others && sent === name))) continue;
    if (name === PASTED) embedded = kept.text;
    keepInTab(name, null);
  }
  if (others) sent = null;
}
