// What another view is asked to show. Gradio makes a view only when its tab is first opened, so a
// wish waits here until somebody takes it.

import { showTab } from "./dom.js";

const waiting = {};

export function wish(view, detail) {
  waiting[view] = detail;
  showTab(view);
  document.dispatchEvent(new CustomEvent("tessera:wish", { detail: view }));
}

export function taken(view) {
  const detail = waiting[view];
  delete waiting[view];
  return detail;
}
