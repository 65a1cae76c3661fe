// Menus of the toolbar: one open at a time, all of it within the page's column, closed by Esc or by a click elsewhere.

const EDGE_PX = 12;

export function tend(toolbar) {
  const open = () => [...toolbar.querySelectorAll("details.tx-menu[open]")];
  const closeOthers = (kept) => open().forEach((menu) => menu !== kept && (menu.open = false));
  // A toggle does not bubble.
  toolbar.addEventListener("toggle", ({ target: menu }) => {
    if (!menu.matches?.("details.tx-menu") || !menu.open) return;
    closeOthers(menu);
    fit(menu.querySelector(":scope > div"), toolbar);
  }, true);
  document.addEventListener("pointerdown", ({ target }) => closeOthers(target.closest?.("details.tx-menu")));
  toolbar.addEventListener("keydown", (event) => {
    const menu = event.target.closest("details.tx-menu[open]");
    if (event.key !== "Escape" || !menu) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  window.addEventListener("resize", () => open().forEach((menu) => fit(menu.querySelector(":scope > div"), toolbar)));
}

// It hangs from its button, and is moved only so far that no part of it is cut off.
function fit(box, toolbar) {
  box.style.translate = "none";
  const { left, right } = box.getBoundingClientRect();
  const most = Math.min(document.documentElement.clientWidth - EDGE_PX, toolbar.getBoundingClientRect().right);
  box.style.translate = `${Math.max(EDGE_PX - left, Math.min(0, most - right))}px`;
}
