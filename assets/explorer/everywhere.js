// A search of all of a collection of which a sample is drawn: hits on the map are lit, the others listed.

import { count } from "./dom.js";
import { keeper, part } from "./keeper.js";

const NAMES = { cosine: "cosine", bm25: "BM25", meaning_rank: "by meaning no.", words_rank: "by words no." };

export async function searchEverywhere(explorer, query, mode, signal) {
  const { name } = part;
  const { hits, score, total } = await keeper.search(name, { data: explorer.id, query, mode, prompt: explorer.prompting.value }, signal);
  const rows = hits.flatMap(({ row }) => (row === null ? [] : [row]));
  // Texts that are not among the hits have a score as well, but nobody knows it here.
  const scores = new Float32Array(explorer.about.n).fill(NaN);
  for (const hit of hits) if (hit.row !== null) scores[hit.row] = hit.score;
  return { way: mode, rows, total: hits.length, scores, score, everywhere: { hits, total } };
}

// What of a score comes from where.
export function said(parts) {
  return Object.entries(NAMES)
    .filter(([name]) => name in parts)
    .map(([name, words]) => `${words} ${name.endsWith("rank") ? parts[name] : parts[name].toFixed(3)}`)
    .join(" · ");
}

// The list beside the map.
export function listed({ hits, total }, note) {
  const drawn = hits.filter(({ row }) => row !== null).length;
  const beyond = hits.length - drawn;
  const where = `Best of all ${total.toLocaleString("en")}; ${drawn.toLocaleString("en")} of these are on the map${beyond ? ", the others are not drawn" : ""}.`;
  return {
    title: hits.length ? `${count(hits.length, "hit")}, best first` : "No hits",
    note: hits.length ? `${where} ${note}` : "No text holds that. Try other words, or search by meaning.",
    rows: hits.map(({ row }) => row),
    scores: hits.map(({ score }) => score),
    texts: hits.map((hit) => ({ ...hit, parts: said(hit.parts) })),
  };
}
