// The address holds the view, so that a reload or another person finds it again.

import { onTab, showTab, shownTab } from "./dom.js";
import { part } from "./keeper.js";
import { optionsOf } from "./settings.js";
import { rowsOf, writeViewed, written } from "./viewed.js";

const QUERY_CHARS = 500;
const MAP = "Map";

// What the page was opened with, whatever its address says since.
export const asked = new URLSearchParams(location.search);

// The tab beside the map that opens by itself: of a text in focus its neighbours, unless there is a list to
// go through.
function openedTab({ searching, selected, row }) {
  return row === null || selected || searching.scores ? "Selection" : "Neighbours";
}

// Texts of which nothing is there yet, that is all there is to say.
function namedOnly(id) {
  return new URLSearchParams({ data: id, ...(shownTab() === MAP ? {} : { view: shownTab() }) });
}

// While texts come the address goes on asking for what it asked for of them: it is done when all are there.
export function remember(explorer) {
  const { coming, wanted, id, about } = explorer;
  const asking = wanted.get("data") && wanted.get("data") === (coming ?? (about.whole ? null : id));
  const state = coming ? namedOnly(coming) : stateOf(explorer);
  if (asking) for (const [name, value] of wanted) state.set(name, value);
  history.replaceState(history.state, "", `?${state}${location.hash}`);
}

function stateOf(explorer) {
  const { id, about, toolbar, layoutKey, searching, selected, row, axes, prompting, selectedKey, legend, plot, panel, table } = explorer;
  const state = new URLSearchParams({ data: id });
  state.set("model", about.model.id);
  if (shownTab() !== MAP) state.set("view", shownTab());
  if (table.on) state.set("as", "table");
  const name = toolbar.colour.selectedOptions[0]?.textContent;
  if (name) state.set("colour", name);
  if (layoutKey) state.set("layout", layoutKey);
  if (part.id === id) state.set("collection", part.name);
  if (toolbar.names.value !== "name") state.set("names", toolbar.names.value);
  if (toolbar.contours.checked) state.set("contours", "1");
  const query = toolbar.query.value.trim();
  if (searching.scores && query) {
    state.set("q", query.slice(0, QUERY_CHARS));
    state.set("mode", toolbar.mode.value);
    if (prompting.value !== null) state.set("prompt", prompting.value);
  }
  for (const sign of ["like", "unlike"]) if (searching.examples?.[sign].length) state.set(sign, searching.examples[sign].join("."));
  if (searching.moved) state.set("least", searching.least.toFixed(4));
  if (written(selected)) state.set("rows", written(selected));
  else if (selected && selectedKey) state.set("selection", selectedKey);
  if (legend.kept.size) state.set("only", [...legend.kept].join("."));
  if (row !== null) state.set("text", row);
  if (panel.shown !== openedTab(explorer)) state.set("side", panel.shown);
  if (plot.view) state.set("at", plot.view.map((number) => Number(number.toPrecision(5))).join("_"));
  axes.remember(state);
  writeViewed(state, id);
  return state;
}

// What an address asks for beside texts and colour, which were seen to before. A layout that is not
// kept any more is made anew.
export async function restore(explorer, wanted) {
  const { toolbar, about, layoutKey } = explorer;
  if (wanted.get("as") === "table") await explorer.asTable(true);
  if ([...toolbar.names.options].some(({ value }) => value === wanted.get("names"))) explorer.plot.showNames((toolbar.names.value = wanted.get("names")));
  if (wanted.get("contours") === "1") await explorer.layouts.contours((toolbar.contours.checked = true));
  const options = optionsOf(wanted.get("layout"));
  if (options && wanted.get("layout") !== layoutKey) explorer.layouts.ask(options);
  await explorer.axes.restore(wanted);
  if (wanted.has("q")) {
    toolbar.query.value = wanted.get("q");
    if ([...toolbar.mode.options].some((option) => option.value === wanted.get("mode"))) toolbar.mode.value = wanted.get("mode");
    explorer.prompting.value = wanted.get("prompt");
    await explorer.searching.run({ fresh: true });
  }
  const rows = (name) => rowsOf(wanted.get(name), about.n);
  const examples = { like: rows("like"), unlike: rows("unlike") };
  if (examples.like.length || examples.unlike.length) await explorer.searching.run({ examples: (explorer.searching.examples = examples), fresh: true });
  const least = Number(wanted.get("least"));
  if (wanted.has("least") && Number.isFinite(least) && explorer.searching.scores && explorer.searching.slides) {
    toolbar.setLeast(least);
    await explorer.searching.setLeast(least, { moved: true });
  }
  const selected = wanted.has("selection") ? await explorer.api.selected(wanted.get("selection")) : rows("rows");
  if (!explorer.searching.scores && selected?.length) await explorer.select(selected);
  const [row] = rows("text");
  if (row !== undefined) await explorer.focus(row, { show: !explorer.selected, told: false });
  explorer.panel.show(wanted.get("side"));
  await restorePart(explorer, wanted);
  // Last: another view may show what is selected, or in focus, on the map.
  if (wanted.has("view")) showTab(wanted.get("view"));
}

// What of the map was looked at; of a layout that is still being made, once it is there.
export async function restorePart(explorer, wanted) {
  const here = [null, explorer.layoutKey].includes(wanted.get("layout"));
  explorer.partial = here ? null : wanted;
  if (!here) return;
  if (wanted.has("only")) explorer.legend.keep(wanted.get("only").split(".").map(Number));
  if (wanted.has("at")) await explorer.plot.setView(wanted.get("at").split("_").map(Number));
}

export function followViews(explorer) {
  onTab(() => explorer.about && remember(explorer));
  document.addEventListener("tessera:viewed", () => explorer.about && remember(explorer));
}
