// Colours that colour-blind people can tell apart, on light and on dark: blue and orange of Okabe and Ito's, the
// rest chosen so that no two come near one another for any of three kinds of colour blindness (tests/ui/test_palette.py).

import { isDark } from "./dom.js";

const LIGHT = ["#0072b2", "#d47e00", "#18aa55", "#863d61", "#9286f3", "#796118", "#b67986", "#003d79", "#610024", "#3d3d00"];
const DARK = ["#4aa8e8", "#f0a830", "#9ef3aa", "#f36d61", "#ffcef3", "#246dc2", "#aa5561", "#cee779", "#796d9e", "#866d0c"];
// Viridis: dark to bright in one direction, so that it reads without hue; for areas.
const AMOUNT = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"];
// Its like for dots: on a light ground its last colours would not be seen, on a dark one its first.
const AMOUNT_ON_LIGHT = ["#450450", "#2d3177", "#2b5360", "#127152", "#618432", "#999430"];
const AMOUNT_ON_DARK = ["#9a4ab9", "#7274f7", "#5ca3c2", "#1ecb6c", "#93dd57", "#e8ea2d"];
const amounts = () => (isDark() ? AMOUNT_ON_DARK : AMOUNT_ON_LIGHT);
export const BINS = AMOUNT.length;
export const DISTINCT = LIGHT.length;

export const accent = () => (isDark() ? "#2dd4bf" : "#0d9488");
export const rest = () => (isDark() ? "#5b5f68" : "#b3b8c0");
export const ground = () => (isDark() ? "#18181b" : "#ffffff");

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
  const colours = amounts();
  const share = Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  const place = share * (colours.length - 1);
  const first = Math.min(Math.floor(place), colours.length - 2);
  return mix(colours[first], colours[first + 1], place - first);
}

// In which of `BINS` equal parts of the range an amount is; -1 where there is none.
export function amountBin(value, low, high) {
  if (!Number.isFinite(value)) return -1;
  return Math.min(BINS - 1, Math.max(0, Math.floor(((value - low) / (high - low || 1)) * BINS)));
}

// As plotly takes it.
export const amountScale = AMOUNT.map((colour, place) => [place / (AMOUNT.length - 1), colour]);

// From nothing, where hardly a text is, to the accent where most are.
export function contourColours() {
  const most = isDark() ? 0.3 : 0.24;
  return [0, 0.25, 0.5, 0.75, 1].map((share) => [share, withStrength(accent(), most * share)]);
}

// A colour, written in either way, with an opacity.
export function withStrength(colour, strength) {
  return `rgba(${channels(colour).join(",")},${strength.toFixed(3)})`;
}

function mix(one, two, share) {
  const [from, to] = [channels(one), channels(two)];
  return `rgb(${from.map((value, place) => Math.round(value * (1 - share) + to[place] * share)).join(",")})`;
}

function channels(colour) {
  if (colour.startsWith("#")) return [1, 3, 5].map((from) => parseInt(colour.slice(from, from + 2), 16));
  return colour.match(/\d+/g).slice(0, 3).map(Number);
}
