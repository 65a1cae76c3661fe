// What every drawing of the dots has in common: their size, which of them, and what is in view.

export const FADED = 0.08;
export const BRIGHT = 0.85;
// What fades shrinks as well, and what stays bright among it grows where it is little: a few hits are seen among
// thousands.
const SHRUNK = 0.7, GROWN = 1.4;
const FEW = 200;
// So many are looked at to find a name its place.
export const SPOTS = 3000;

export function dotSize(n) {
  return n <= 30 ? 14 : n <= 300 ? 10 : n <= 2000 ? 7 : n <= 8000 ? 5.5 : n <= 25000 ? 4 : 3;
}

// The size of each of `n` dots by its strength, or of all.
export function dotSizes(n, strengths) {
  const size = dotSize(n);
  const bright = strengths.filter((strength) => strength === 1).length;
  if (bright === strengths.length) return size;
  const grown = bright <= FEW ? GROWN : 1;
  return strengths.map((strength) => size * (strength < 1 ? SHRUNK : grown));
}

// An even sample of `n` rows where they are more than `most`.
export function sampled(n, most) {
  const step = Math.max(1, n / most);
  return Array.from({ length: Math.min(n, most) }, (_, place) => Math.floor(place * step));
}

// The numbers of one axis for the rows drawn.
export function along(positions, rows, axis, dimensions) {
  return Float32Array.from(rows, (row) => positions[dimensions * row + axis]);
}

// The range of the middle 99.9 %, so that one far point does not shrink all others to a dot.
export function bounds(x, y) {
  const of = (values) => {
    const sorted = Float32Array.from(values).sort();
    const cut = Math.floor(sorted.length / 2000);
    const [low, high] = [sorted[cut] ?? 0, sorted[sorted.length - 1 - cut] ?? 1];
    const pad = (high - low || 1) * 0.06;
    return [low - pad, high + pad];
  };
  return { x: of(x), y: of(y) };
}
