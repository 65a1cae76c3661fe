// What the address holds of the views beside the map, in words of their own: `vectors.a=12`. A view is made
// when its tab is first opened; until then what the page was opened with is kept for it.

const MOST_ROWS = 300; // a selection of more would make an address that mail and chats cut
const known = new Map();
const asked = new URLSearchParams(location.search);

for (const [name, value] of asked) {
  const [view, key] = name.split(".");
  if (!key) continue;
  if (!known.has(view)) known.set(view, { id: asked.get("data"), state: {} });
  known.get(view).state[key] = value;
}

// What was last shown there of these texts; nothing of others.
export function viewed(view, id) {
  const { id: of, state } = known.get(view) ?? {};
  return of === id ? state : {};
}

// Values that are null, undefined or empty are left out.
export function nowViewed(view, id, state) {
  const some = Object.entries(state).filter(([, value]) => value !== null && value !== undefined && value !== "");
  known.set(view, { id, state: Object.fromEntries(some.map(([name, value]) => [name, String(value)])) });
  document.dispatchEvent(new Event("tessera:viewed"));
}

export function writeViewed(address, id) {
  for (const [view, { id: of, state }] of known) if (of === id) for (const [name, value] of Object.entries(state)) address.set(`${view}.${name}`, value);
}

// Rows as an address has them; more than it has room for are none.
export function written(rows) {
  return rows && rows.length <= MOST_ROWS ? rows.join(".") : "";
}

// The rows of `n` that were written so.
export function rowsOf(written, n) {
  const rows = (written ?? "").split(".").filter(Boolean).map(Number);
  return [...new Set(rows)].filter((one) => Number.isInteger(one) && one >= 0 && one < n).slice(0, MOST_ROWS);
}
