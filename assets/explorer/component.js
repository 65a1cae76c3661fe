// Starts the scripts of the page's components. Styles and plotly come once for all of them: a module
// that several ask for is run once.

for (const name of ["explorer.css", "table.css"]) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL(name, import.meta.url).href;
  document.head.append(style);
}

const plotly = new Promise((done, failed) => {
  const script = document.createElement("script");
  script.src = new URL("plotly.js", import.meta.url).href;
  // Gradio's own plotly may come later and take the name: this one is kept by reference.
  script.onload = () => done(withoutAddress(window.Plotly));
  script.onerror = () => failed(new Error("plotly.js did not come."));
  document.head.append(script);
});

// Where a page has a <base>, as Gradio's has, plotly names what it clips and fills by with the page's whole
// address. Ours changes as the page is used, and a browser then finds neither cells nor scale: so a plot
// begins without it, and names them by their ids alone.
function withoutAddress(library) {
  const beginning = (name) => (...given) => {
    const base = document.querySelector("base[href]");
    const href = base?.getAttribute("href");
    base?.removeAttribute("href");
    try {
      return library[name](...given);
    } finally {
      base?.setAttribute("href", href);
    }
  };
  return Object.assign(Object.create(library), { newPlot: beginning("newPlot"), react: beginning("react") });
}

// `module` exports `mount(element, gradio, plotly)`.
export async function start(module, element, gradio) {
  const [{ mount }, library] = await Promise.all([import(new URL(`${module}.js`, import.meta.url).href), plotly]);
  return mount(element, gradio, library);
}
