// What is looked at on the map, for the other views: the rows selected or found, and the text in focus.

export const onMap = { id: null, rows: null, row: null };

export function lookedAt({ id, selected, searching, row }) {
  Object.assign(onMap, { id, row, rows: selected ?? (searching.scores ? searching.hits : null) });
  document.dispatchEvent(new Event("tessera:looked"));
}
