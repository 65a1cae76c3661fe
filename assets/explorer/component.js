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
  script.onload = () => done(window.Plotly);
  script.onerror = () => failed(new Error("plotly.js did not come."));
  document.head.append(script);
});

// `module` exports `mount(element, gradio, plotly)`.
export async function start(module, element, gradio) {
  const [{ mount }, library] = await Promise.all([import(new URL(`${module}.js`, import.meta.url).href), plotly]);
  return mount(element, gradio, library);
}
