// Elements from plain values: what a text says is always text.

const SVG = "http://www.w3.org/2000/svg";

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && !name.includes("-") && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// The same for a drawing, whose parts have attributes only.
export function draw(tag, properties, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function count(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

export function debounced(run, wait_ms) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), wait_ms);
  };
}

export const isDark = () => document.body.classList.contains("dark");

const views = () => [...document.querySelectorAll("#views [role=tab]")];

// The view that is open, by its tab's name.
export function shownTab() {
  return views().find((tab) => tab.getAttribute("aria-selected") === "true")?.textContent.trim() ?? "Map";
}

// After each turn to another view.
export function onTab(run) {
  document.getElementById("views").addEventListener("click", (event) => event.target.closest("[role=tab]") && requestAnimationFrame(run));
}

// To another view of the page, by Gradio's own tab of that name.
export function showTab(name) {
  views().find((tab) => tab.textContent.trim() === name)?.click();
}
