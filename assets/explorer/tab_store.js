// What an address has no room for: kept in this tab until it is closed, and sent nowhere. Storage may be closed
// to us, or full; then it is kept until the page is left.

const PREFIX = "tessera:";
const OWNER = "owner";
const here = new Map();

// Where the page asks for a login, all of it belongs to who is logged in; before anything of it is read,
// that of anybody else goes.
const login = window.gradio_config?.username ?? null;
if (keptInTab(OWNER) !== login) {
  forgetAll();
  keepInTab(OWNER, login);
}

export function keepInTab(name, value) {
  here.delete(name);
  try {
    sessionStorage.removeItem(PREFIX + name);
    if (value !== null) sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    here.set(name, value);
  }
}

export function keptInTab(name) {
  if (here.has(name)) return here.get(name);
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

function forgetAll() {
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(PREFIX)) sessionStorage.removeItem(name);
  } catch {
    // As above.
  }
}
