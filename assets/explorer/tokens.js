// How the model splits a text: a chip for each token; its id and place are told for the one that is
// pointed at or that the arrow keys reach. What the model did not read is struck.

import { count, make } from "./dom.js";

export function tokens(found) {
  if (found.pieces_total === null) return [make("p", { className: "tx-note", textContent: found.tokens_note })];
  const readout = make("output", { className: "tx-readout" });
  const chips = found.pieces.map((piece, place) => chip(found, piece, place));
  const quiet = found.pieces.length < found.pieces_total ? `The first ${found.pieces.length} are shown.` : "Point at a token, or walk with the arrow keys, for its id.";
  const say = (element) => (readout.textContent = element ? element.dataset.said : quiet);
  const list = make("div", { className: "tx-pieces", role: "listbox", "aria-label": "Tokens", "aria-orientation": "horizontal" }, ...chips);
  const at = (event) => event.target.closest(".tx-piece");
  list.addEventListener("pointerover", (event) => at(event) && say(at(event)));
  list.addEventListener("pointerleave", () => say(null));
  list.addEventListener("focusin", (event) => say(at(event)));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step && chips[chips.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    document.activeElement.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  if (chips.length) chips[0].tabIndex = 0;
  say(null);
  const prompt = found.prompt ? [make("p", { className: "tx-note" }, "Read with the prompt ", make("q", { textContent: found.prompt }), ".")] : [];
  return [...prompt, list, readout, ...unread(found)];
}

// The text around what the model read, struck through.
export function unread(found) {
  if (!found.truncated) return [];
  const part = (text) => (text ? make("del", { className: "tx-unread", textContent: text, dir: "auto" }) : null);
  const [before, after] = found.unread;
  const left = found.unread_chars - before.length - after.length;
  const more = left > 0 ? ` … and ${count(left, "character")} more` : "";
  return [
    make("p", { className: "tx-cut" }, make("b", { textContent: "Truncated. " }), `The model read ${count(found.tokens, "token")} and stopped: ${count(found.unread_chars, "character")} of the text did not go into this vector.`),
    make("p", { className: "tx-left-out" }, part(before), part(after), more),
  ];
}

function chip(found, piece, place) {
  const span = found.places[place];
  const id = `“${piece}”: id ${found.ids[place]}`;
  const said = span ? `${id}, characters ${span[0] + 1} to ${span[1]}` : `${id}, ${found.prompt ? "of the prompt or the model's own" : "the model's own, not in the text"}`;
  return make("span", { className: span ? "tx-piece" : "tx-piece own", textContent: piece, dir: "auto", role: "option", "aria-selected": "false", "aria-label": said, "data-said": said, "data-id": found.ids[place], tabIndex: -1 });
}
