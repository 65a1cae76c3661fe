// What is looked at on the map, for the other views: its layout, the rows selected or found, and the text
// in focus.

export const onMap = { id: null, layout: "", rows: null, row: null };

export function lookedAt({ id, layoutKey, selected, searching, row }) {
  Object.assign(onMap, { id, row, layout: layoutKey ?? "", rows: selected ?? (searching.scores ? searching.hits : null) });
  document.dispatchEvent(new Event("tessera:looked"));
}
