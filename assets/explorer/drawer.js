// Gradio's sidebar, opened and closed by a button of the page; closed, nothing in it is in the keyboard's way.

const OPEN = "tessera:shelf";
const NARROW_PX = 768;

export class Drawer {
  constructor(onOpen) {
    this.side = document.getElementById("shelf-side");
    this.button = document.getElementById("shelf-toggle");
    this.inside = this.side.querySelector(".sidebar-content");
    this.button.setAttribute("aria-controls", "shelf-side");
    this.button.addEventListener("click", () => this._turn());
    this.side.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.open) return;
      event.stopPropagation(); // on the map it would clear a search
      this._turn();
      this.button.focus();
    });
    let before = this.open;
    const changed = () => {
      this._tell();
      if (this.open === before) return;
      before = this.open;
      if (!this.narrow) localStorage.setItem(OPEN, before ? "1" : "");
      if (before) onOpen();
    };
    new MutationObserver(changed).observe(this.side, { attributes: true, attributeFilter: ["class"] });
    this._tell();
  }

  get open() {
    return this.side.classList.contains("open");
  }

  get narrow() {
    return innerWidth <= NARROW_PX;
  }

  // There is something to show here; as it was left, but never over all of a small screen.
  async offer(there) {
    if (!there) return void delete document.body.dataset.keeper;
    if (!this.narrow && localStorage.getItem(OPEN)) {
      this.show();
      // Gradio opens it a moment later; a click of the visitor's on the button before that would close it.
      for (let frames = 0; !this.open && frames < 60; frames += 1) await new Promise(requestAnimationFrame);
    }
    document.body.dataset.keeper = "";
  }

  show() {
    if (!this.open) this._turn();
  }

  // On a small screen what was opened is behind the sidebar.
  makeRoom() {
    if (this.open && this.narrow) this._turn();
  }

  _turn() {
    this.side.querySelector(".toggle-button").click();
  }

  _tell() {
    this.button.setAttribute("aria-expanded", String(this.open));
    this.inside.inert = !this.open;
  }
}
