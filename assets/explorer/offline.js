// The map in a file of its own: the data is in the page, nobody is asked for anything.

function openOffline() {
  const told = JSON.parse(document.getElementById("data").textContent);
  document.body.classList.toggle("dark", window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.title = told.name;
  const stage = make("div", { className: "tx-plot" });
  const colour = make("select", { "aria-label": "Colour by" });
  let codes = null;
  let colourOf = () => accent();
  const legend = new Legend(() => paint());
  const plot = new Plot(stage, window.Plotly, { onClick: () => {}, onSelect: () => {}, describe: (row) => [make("div", { textContent: told.texts[row], dir: "auto" })] });
  const paint = () => plot.setLook(colourOf, (row) => (legend.kept.size && codes && !legend.kept.has(codes[row]) ? 0 : 1));
  const choose = (value) => {
    const chosen = told.colours[Number(value)];
    if (value === "clusters") {
      codes = told.labels;
      colourOf = (row) => groupColour(codes[row], { again: true });
      legend.groups(told.clusters.map((cluster) => [cluster.name, cluster.size]), { again: true });
    } else {
      const grouped = chosen.kind === "group";
      codes = grouped ? chosen.codes : chosen.codes.map((value) => amountBin(value ?? NaN, chosen.low, chosen.high));
      colourOf = (row) => (grouped ? groupColour(codes[row]) : amountColour(chosen.codes[row] ?? NaN, chosen.low, chosen.high));
      if (grouped) legend.groups(chosen.values, { others: chosen.groups - chosen.values.length });
      else legend.amount(chosen.name, chosen.low, chosen.high);
    }
    return paint();
  };
  const named = told.clusters.length ? [make("option", { value: "clusters", textContent: "clusters" })] : [];
  colour.replaceChildren(...told.colours.map((one, number) => make("option", { value: number, textContent: one.name })), ...named);
  colour.addEventListener("change", () => choose(colour.value));
  document.querySelector(".tx").replaceChildren(
    make("h1", { textContent: `${told.name}: ${count(told.texts.length, "text")}, ${told.model}` }),
    make("div", { className: "tx-toolbar" }, make("label", { className: "tx-pick" }, "Colour", colour), make("button", { type: "button", textContent: "Show all", on: { click: () => plot.showAll() } })),
    stage,
    legend.element,
  );
  return plot.setPoints(Float32Array.from(told.points), { dimensions: told.dimensions }).then(() => choose(colour.value)).then(() => {
    plot.setLabels(told.clusters);
    stage.dataset.painted = String(told.texts.length);
  });
}

openOffline();
