// What a dot says when it is pointed at: its text, its score, its group, and what stands beside it.

import { make } from "./dom.js";

const CHARS = 280;
const CELLS = 4;

export async function card({ api, axes, clusters, searching }, row) {
  const [{ text, cells }] = await api.rows([row]);
  const beside = (name, value) => make("div", { className: "tx-beside" }, make("b", { textContent: name }), ` ${value}`);
  const cluster = clusters.clusters[clusters.labels[row]];
  return [
    make("div", { textContent: text.slice(0, CHARS) + (text.length > CHARS ? "…" : ""), dir: "auto" }),
    Number.isFinite(searching.scores?.[row]) && beside("score", searching.scores[row].toFixed(4)),
    ...axes.beside(row),
    ...Object.entries(cells).slice(0, CELLS).map(([name, value]) => beside(name, value)),
    cluster && beside("cluster", cluster.name),
  ].filter(Boolean);
}
