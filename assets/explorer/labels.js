// Names over the picture, as plain HTML: largest cluster first, each where it covers no other, so that
// zooming in shows more of them. A name stands on a cluster that is large enough to be seen below it, else
// beside it, as a town's on a map, on the side where it covers the fewest dots.

import { make } from "./dom.js";

const LABEL_GAP_PX = 6;
const MARGIN_PX = 4;
// Which share of a cluster's room its name may cover.
const MOST_COVERED = 0.3;
// A name stands beside its cluster where it covers at most this share of the dots it would on it.
const GAIN = 0.5;
const [ABOVE, BELOW, RIGHT, LEFT] = [[0, -1], [0, 1], [1, 0], [-1, 0]];

export class Labels {
  constructor() {
    this.element = make("div", { className: "tx-labels", "aria-hidden": "true" });
    this.kind = "name";
    this.set([]);
  }

  // Each has `name`, `nearest`, `at`, its place, and `low` and `high`, between which its dots are.
  set(named) {
    this.named = named;
    const kept = this.kind === "none" ? [] : named;
    this.shown = kept.map(({ at, low, high, ...names }) => ({ at, low, high, shift: [0, 0], element: make("span", { textContent: unbroken(names[this.kind] ?? names.name), dir: "auto" }) }));
    this.element.classList.toggle("texts", this.kind === "nearest");
    this.element.replaceChildren(...this.shown.map(({ element }) => element));
    this.measured = false;
  }

  // "name" for keywords, "nearest" for the text nearest the centre, "none".
  show(kind) {
    this.kind = kind;
    this.set(this.named);
  }

  get visible() {
    return this.shown.filter(({ element }) => element.style.visibility === "visible");
  }

  // `placeOf` gives the left and top of a place in a picture of that size, or null where it isn't in it;
  // `dots` are lefts and tops of what is drawn.
  place(placeOf, width, height, dots = []) {
    if (!this.measured) {
      // All are measured before one is moved: else each would have the whole page laid out again.
      for (const label of this.shown) Object.assign(label, { halfWidth: label.element.offsetWidth / 2 + LABEL_GAP_PX, halfHeight: label.element.offsetHeight / 2 + LABEL_GAP_PX / 2 });
      this.measured = this.element.offsetWidth > 0;
    }
    const taken = [];
    const free = (box) => box[0] < width && box[1] < height && box[2] > 0 && box[3] > 0 && !taken.some((other) => overlap(box, other));
    for (const label of this.shown) {
      const spot = placeOf(label.at);
      const box = spot && chosen(label, spot, roomOf(label, placeOf), { width, height, free, dots });
      label.element.style.visibility = box ? "visible" : "hidden";
      if (!box) continue;
      taken.push(box);
      const middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
      label.shift = middle.map((value, axis) => value - spot[axis]);
      label.element.style.transform = `translate(-50%, -50%) translate(${middle[0]}px, ${middle[1]}px)`;
    }
  }
}

// A dot between two words ends a line and begins none.
const unbroken = (name) => name.replaceAll(" · ", "\u00a0· ");

// Left, top, right and bottom of where a name goes; nothing where it has no place.
function chosen({ halfWidth, halfHeight }, spot, room, { width, height, free, dots }) {
  // One whose place is in the picture is moved so far that all of it is.
  const within = (value, half, size, inside) => (inside ? Math.min(Math.max(value, half), size - half) : value);
  const boxAt = (left, top) => {
    const [x, y] = [within(left, halfWidth, width, spot[0] > 0 && spot[0] < width), within(top, halfHeight, height, spot[1] > 0 && spot[1] < height)];
    return [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight];
  };
  const size = (room[2] - room[0]) * (room[3] - room[1]);
  const clear = (box) => overlap(box, room) <= MOST_COVERED * size;
  const onIt = boxAt(...spot);
  if (clear(onIt)) return free(onIt) ? onIt : undefined;
  const middle = [(room[0] + room[2]) / 2, (room[1] + room[3]) / 2];
  const away = [(room[2] - room[0]) / 2 + halfWidth, (room[3] - room[1]) / 2 + halfHeight];
  const beside = [ABOVE, BELOW, RIGHT, LEFT].map((side) => boxAt(...side.map((step, axis) => middle[axis] + step * away[axis])));
  const covered = (box) => dots.reduce((sum, [x, y]) => sum + (x > box[0] && x < box[2] && y > box[1] && y < box[3]), 0);
  // In a crowd a name beside its cluster covers as much, and seems to be another's.
  const most = covered(onIt) * GAIN;
  const places = beside.filter((box) => clear(box) && free(box)).map((box) => [covered(box), box]).filter(([count]) => count <= most);
  const best = places.reduce((one, other) => (one && one[0] <= other[0] ? one : other), undefined)?.[1];
  return best ?? (free(onIt) ? onIt : undefined);
}

// The box around a cluster in the picture; of a space the box around the corners of its own.
function roomOf({ low, high }, placeOf) {
  let corners = [[]];
  low.forEach((least, axis) => (corners = corners.flatMap((corner) => [[...corner, least], [...corner, high[axis]]])));
  const seen = corners.map(placeOf).filter(Boolean);
  const [x, y] = [0, 1].map((axis) => seen.map((spot) => spot[axis]));
  return [Math.min(...x) - MARGIN_PX, Math.min(...y) - MARGIN_PX, Math.max(...x) + MARGIN_PX, Math.max(...y) + MARGIN_PX];
}

// The area that two boxes have in common.
function overlap(one, other) {
  const along = (axis) => Math.max(0, Math.min(one[axis + 2], other[axis + 2]) - Math.max(one[axis], other[axis]));
  return along(0) * along(1);
}
