// Which colour every row has: by column, cluster, an amount of the view's own (the search score, say), or
// one for all.

import { accent, amountBin, amountColour, groupColour } from "./colours.js";

const CLUSTERS = "clusters", SCORE = "score", PLAIN = "plain";

export class Colouring {
  constructor(explorer) {
    this.explorer = explorer;
    this.codes = null;
    this.colourOf = () => accent();
    // The name of what the visitor chose: while texts still come, columns change places.
    this.picked = null;
  }

  // What can be chosen for the texts on screen; the choice made before stays if it is still there.
  async choices() {
    const { about, axes, clusters, amount, toolbar } = this.explorer;
    const named = clusters.clusters.length ? [[CLUSTERS, "clusters"]] : [];
    const scored = amount ? [[SCORE, amount.name]] : [];
    const columns = about.colours.map((colour, number) => [String(number), colour.name]);
    const choices = [...scored, ...(axes?.choices() ?? []), ...named, ...columns, [PLAIN, "one colour"]];
    const first = columns[about.telling];
    const picked = choices.find(([, name]) => name === this.picked);
    const chosen = picked?.[0] ?? first?.[0] ?? named[0]?.[0] ?? PLAIN;
    toolbar.setColours(choices, chosen);
    await this.by(chosen);
  }

  async by(value) {
    const { about, axes, clusters, amount, legend, api, layoutKey } = this.explorer;
    const column = about.colours[Number(value)];
    if (value === CLUSTERS) {
      this.codes = clusters.labels;
      this.colourOf = (row) => groupColour(this.codes[row], { again: true });
      legend.groups(clusters.clusters.map((cluster) => [cluster.name, cluster.size]), { again: true });
    } else if (value === SCORE && amount) {
      const { name, values } = amount;
      const [low, high] = amount.range ?? values.reduce(([least, most], one) => [Math.min(least, one), Math.max(most, one)], [Infinity, -Infinity]);
      this.amounts(values, low, high);
      legend.amount(name, low, high);
    } else if (axes?.at(value)) {
      const { start, end, places, low, high } = axes.at(value);
      this.amounts(places, low, high);
      legend.between(start, end, low, high);
    } else if (column) {
      const codes = await api.colour(Number(value), column.kind, layoutKey);
      if (column.kind === "group") {
        this.codes = codes;
        this.colourOf = (row) => groupColour(codes[row]);
        legend.groups(column.values, { others: column.groups - column.values.length });
      } else {
        this.amounts(codes, column.low, column.high);
        legend.amount(column.name, column.low, column.high);
      }
    } else {
      this.codes = null;
      this.colourOf = () => accent();
      legend.nothing();
    }
  }

  amounts(values, low, high) {
    this.codes = Array.from(values, (value) => amountBin(value, low, high));
    this.colourOf = (row) => amountColour(values[row], low, high);
  }
}
