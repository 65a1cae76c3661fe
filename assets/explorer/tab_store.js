// What an address has no room for: kept in this tab until it is closed, and sent nowhere. Storage may be closed
// to us, or full; then it is not kept.

const PREFIX = "tessera:";

export function keepInTab(name, value) {
  try {
    sessionStorage.removeItem(PREFIX + name);
    if (value !== null) sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // As above.
  }
}

export function keptInTab(name) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}
