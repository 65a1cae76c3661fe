// The map with its name and its legend, as a file.

import { count } from "./dom.js";
import { legendChart } from "./legend_chart.js";
import { fromAddress, savePicture, sheet, shortened } from "./saving.js";

export async function saveMap({ stage, plot, axes, toolbar, about, legend }, format) {
  const { backgroundColor, color: ink, fontFamily: font } = getComputedStyle(stage);
  const map = fromAddress(await plot.picture("svg", backgroundColor, ink, axes.notes(ink)));
  const name = `${about.name}: ${count(about.n, "text")}, ${toolbar.layout.selectedOptions[0].textContent}`;
  const colours = legendChart(legend.element, { width: Number(map.getAttribute("width")), ink, font });
  const named = colours && { name: `Colour: ${toolbar.colour.selectedOptions[0].textContent}`, chart: colours };
  await savePicture(sheet([{ name: shortened(name), chart: map }, ...(named ? [named] : [])], stage), format, "tessera-map");
}
