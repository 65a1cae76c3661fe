// Colours that colour-blind people can tell apart (Okabe and Ito's, then Tol's), on light and on dark.

import { isDark } from "./dom.js";

const LIGHT = ["#0072b2", "#d98200", "#009e73", "#d55e00", "#b5548b", "#3c9fd8", "#882255", "#7f7f1f", "#4a3aa8", "#2f8f83"];
const DARK = ["#4aa8e8", "#f0a830", "#1fc494", "#ff7f3a", "#e08abc", "#8fd0f5", "#e0609a", "#c4c45a", "#9d8df5", "#5fd0c0"];
// Viridis and its like: dark to bright in one direction, so that it reads without hue.
const AMOUNT = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"];
export const DISTINCT = LIGHT.length;

export const accent = () => (isDark() ? "#2dd4bf" : "#0d9488");
export const rest = () => (isDark() ? "#5b5f68" : "#b3b8c0");

// The two sides of zero.
export const below = () => (isDark() ? "#ff7f3a" : "#d55e00");
export const above = () => (isDark() ? "#4aa8e8" : "#0072b2");

// Only as many groups have a colour of their own as can be told apart; the rest are grey. Clusters,
// whose names stand on the map, begin again.
export function groupColour(code, { again = false } = {}) {
  const palette = isDark() ? DARK : LIGHT;
  if (code < 0 || (!again && code >= DISTINCT)) return rest();
  return palette[code % DISTINCT];
}

export function amountColour(value, low, high) {
  if (!Number.isFinite(value)) return rest();
  const share = Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  const place = share * (AMOUNT.length - 1);
  const first = Math.min(Math.floor(place), AMOUNT.length - 2);
  return mix(AMOUNT[first], AMOUNT[first + 1], place - first);
}

// As plotly takes it.
export const amountScale = AMOUNT.map((colour, place) => [place / (AMOUNT.length - 1), colour]);
export const amountGradient = `linear-gradient(90deg, ${AMOUNT.join(", ")})`;

function mix(one, two, share) {
  const part = (colour, from) => parseInt(colour.slice(from, from + 2), 16);
  const channel = (from) => Math.round(part(one, from) * (1 - share) + part(two, from) * share);
  return `rgb(${channel(1)},${channel(3)},${channel(5)})`;
}
