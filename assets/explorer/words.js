// Sentences below the map.

import { count } from "./dom.js";

// What a layout shows and what it does not, what the model left unread, and how much of all is drawn.
export function aboutLayout({ n, model, truncated, explained_share: share }, method, plot) {
  const what = {
    umap: "UMAP: neighbours stay neighbours; distances between groups mean little.",
    tsne: "t-SNE: neighbours stay neighbours; sizes of and distances between groups mean little.",
    pca: share === null ? "PCA: these vectors don't differ, so they are one point." : `PCA: these two directions hold ${Math.round(share * 100)} % of what sets the vectors apart.`,
    file: "From the file: the places its own columns give; what their distances mean is known to who made them.",
    axes: "Axes: each text at its cosine with both axes; across is the first, upwards the second.",
  }[method];
  const cut = truncated ? ` ${count(truncated, "text")} longer than ${model.max_tokens} tokens, cut there.` : "";
  const many = n > plot.largest ? ` ${plot.largest.toLocaleString("en")} of them are drawn, all are searched.` : "";
  const svg = plot.webgl ? "" : " This browser has no WebGL, so the map is drawn more slowly.";
  return `${what}${cut}${many}${svg}`;
}
