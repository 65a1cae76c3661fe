// Collections as the server tells them to their keeper. A key, where the server asks for one, goes with
// every request and nowhere else; this tab remembers it until it is closed.

import { Api } from "./api.js";
import { keepInTab, keptInTab } from "./tab_store.js";

const KEY = "key";

export class Keeper extends Api {
  constructor(base) {
    super(base, "");
    this.root = new URL("explorer/collections", base).href;
  }

  get key() {
    return keptInTab(KEY) ?? "";
  }

  set key(key) {
    keepInTab(KEY, key || null);
  }

  // A header holds bytes: whatever is written is sent as UTF-8.
  _answer(path, options = {}) {
    const headers = { ...options.headers };
    if (this.key) headers.Authorization = `Bearer ${String.fromCharCode(...new TextEncoder().encode(this.key))}`;
    return super._answer(path, { ...options, headers });
  }

  look(data, { list = true } = {}) {
    return this.post("", { data: data ?? "", list });
  }

  search(name, body, signal) {
    return this.post(`/${encodeURIComponent(name)}/search`, body, signal);
  }
}

export const keeper = new Keeper(document.baseURI);

// What of a collection is on the map: its name, how many of how many are drawn, whether a map of all can be
// made; `id` is the texts' own.
const NONE = { id: null, name: "", drawn: 0, total: 0, whole: true, mappable: false };
export const part = { ...NONE };

export function nowPart(id, found) {
  const before = JSON.stringify(part);
  Object.assign(part, NONE, found && { id, ...found });
  if (JSON.stringify(part) !== before) document.dispatchEvent(new Event("tessera:part"));
}

// Whether there is more to search than the texts that are drawn.
export function reachesFurther(id) {
  return part.id === id && !part.whole;
}
