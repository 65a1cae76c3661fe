// Sentences below the map.

import { count } from "./dom.js";

const SPACE_WITHOUT_WEBGL = " This browser has no WebGL, which a map in 3-D needs: it is drawn in 2-D.";

// What a layout shows and what it does not, what the model left unread, and how much of all is drawn.
export function aboutLayout({ n, model, truncated, dimensions, explained_share: share }, method, plot) {
  const directions = dimensions === 3 ? "three" : "two";
  const what = {
    umap: "UMAP: neighbours stay neighbours; distances between groups mean little.",
    tsne: "t-SNE: neighbours stay neighbours; sizes of and distances between groups mean little.",
    pca: n === 1 ? "PCA: one text is one point." : share === null ? "PCA: these vectors don't differ, so they are one point." : `PCA: these ${directions} directions hold ${Math.round(share * 100)} % of what sets the vectors apart.`,
    file: "From the file: the places its own columns give; what their distances mean is known to who made them.",
    axes: "Axes: each text at its cosine with both axes; across is the first, upwards the second.",
  }[method];
  const space = plot.dimensions === 3 ? " Drag to turn it, scroll to come nearer; Lasso and Box are there in 2-D." : "";
  const cut = truncated ? ` ${count(truncated, "text")} longer than ${model.max_tokens} tokens, cut there.` : "";
  const many = n > plot.largest ? ` ${plot.largest.toLocaleString("en")} of them are drawn, all are searched.` : "";
  const svg = plot.webgl ? "" : dimensions === 3 ? SPACE_WITHOUT_WEBGL : " This browser has no WebGL, so the map is drawn more slowly.";
  return `${what}${space}${cut}${many}${svg}`;
}

export const NO_WEBGL = SPACE_WITHOUT_WEBGL.trim();
export const FLAT = { axes: "Two axes make a plane; UMAP and PCA have 3-D as well.", file: "The file gives places in a plane; UMAP and PCA have 3-D as well." };
