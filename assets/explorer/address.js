// The address holds the view, so that a reload or another person finds it again.

const QUERY_CHARS = 500;

export function remember({ id, toolbar, layoutKey, searching, row, axes, prompting }) {
  const state = new URLSearchParams({ data: id });
  const name = toolbar.colour.selectedOptions[0]?.textContent;
  if (name) state.set("colour", name);
  if (layoutKey) state.set("layout", layoutKey);
  const query = toolbar.query.value.trim();
  if (searching.scores && query) {
    state.set("q", query.slice(0, QUERY_CHARS));
    state.set("mode", toolbar.mode.value);
    if (prompting.value !== null) state.set("prompt", prompting.value);
  }
  if (row !== null) state.set("text", row);
  axes.remember(state);
  history.replaceState(history.state, "", `?${state}${location.hash}`);
}

// The search and the text in focus that an address asks for; colour and layout were seen to before.
export async function restore(explorer, wanted) {
  const { toolbar, about } = explorer;
  await explorer.axes.restore(wanted);
  if (wanted.has("q")) {
    toolbar.query.value = wanted.get("q");
    if ([...toolbar.mode.options].some((option) => option.value === wanted.get("mode"))) toolbar.mode.value = wanted.get("mode");
    explorer.prompting.value = wanted.get("prompt");
    await explorer.searching.run({ fresh: true });
  }
  const row = Number(wanted.get("text"));
  if (wanted.has("text") && Number.isInteger(row) && row >= 0 && row < about.n) await explorer.focus(row);
}
