// Which layout is on screen and how: method, numbers, dimensions, contours of density.

import { optionsOf } from "./settings.js";
import { FLAT, NO_WEBGL, aboutLayout } from "./words.js";

export class Layouts {
  constructor(explorer) {
    this.explorer = explorer;
    this.said = "";
  }

  // Another layout of the same texts; Gradio shows how far it is, and then sets the component's value.
  ask(options) {
    if (options.method === "axes") this.explorer.axes.again();
    else this.explorer.trigger("input", { layout: options });
  }

  inDimensions(dimensions) {
    const { toolbar, plot, message } = this.explorer;
    const problem = dimensions === 3 && (FLAT[toolbar.layout.value] ?? (plot.webgl ? "" : NO_WEBGL));
    if (problem) message.textContent = problem;
    else if (dimensions !== plot.dimensions) this.ask(toolbar.options(dimensions));
  }

  // Dots at their places; the controls and the line below the map say what they show.
  async show(positions, { tween }) {
    const { toolbar, plot, message, about, layoutKey } = this.explorer;
    await plot.setPoints(positions, { tween, dimensions: about.dimensions });
    toolbar.showLayout(optionsOf(layoutKey) ?? {}, plot.dimensions);
    message.textContent = this.said = aboutLayout(about, layoutKey.split("-")[0], plot);
    await this.contours(toolbar.contours.checked);
  }

  // Density under the dots; a space has none.
  async contours(wanted) {
    const { api, about, plot, layoutKey } = this.explorer;
    const grid = wanted && about.n && about.dimensions === 2 ? await api.density(layoutKey) : null;
    if (layoutKey === this.explorer.layoutKey) await plot.setContours(grid);
  }
}
