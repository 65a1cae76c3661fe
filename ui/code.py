"""The last call as code, and a button that sends it from the visitor's own browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui import recipes, snippets
from ui.heard import heard
from ui.last_call import SHOWN_CHARS, Action
from ui.session import Session
from ui.view import QUIET, Desk, bind, bind_told, many, status

PACKAGE = "Python package"
LANGUAGES = {
    "curl": ("shell", snippets.curl),
    "Python": ("python", snippets.python_requests),
    "Python, OpenAI": ("python", snippets.python_openai),
    "JavaScript": ("javascript", snippets.javascript),
    PACKAGE: ("python", recipes.package),
}
DONE: dict[Action, str] = {
    "embed": "The last call of this page: texts embedded.",
    "search": "The last call of this page: a question, embedded as one.",
    "hybrid": "The last call of this page: a question, embedded as one; words need no call.",
    "keyword": "Done last: a search by words.",
    "regex": "Done last: a search by a regular expression.",
    "like": "The last call of this page: examples to be like and unlike.",
    "near": "The last call of this page: one text, whose nearest are looked for.",
    "pair": "The last call of this page: two texts, and how alike they are.",
    "pairs": "The last call of this page: texts embedded, to find the most similar pairs.",
    "duplicates": "The last call of this page: texts embedded, to find near-duplicates.",
    "outliers": "The last call of this page: texts embedded, to find outliers.",
    "axes": "The last call of this page: the words at the ends of the axes, embedded.",
    "compare": "The last calls of this page: the same texts by both models, or cut to fewer dimensions.",
}
EMPTY = "No call yet. Once texts are embedded, the same call stands here as code."
NOT_EMBEDDED = "No call: these vectors came with their file, so nothing was embedded here."
# Runs in the visitor's browser and nowhere else: the key goes to the API as a header, never to the page.
RUN = """async (key, call) => {
  if (!call) return ["There is no call to send yet.", ""];
  const headers = {"Content-Type": "application/json"};
  if (key) headers["Authorization"] = `Bearer ${key.trim()}`;
  const bodies = JSON.parse(call), said = [], shown = [];
  try {
    for (const body of bodies) {
      const address = new URL(`/${body.model}/v1/embeddings`, window.location.href);
      const started = performance.now();
      const answer = await fetch(address, {method: "POST", headers, body: JSON.stringify(body)});
      const text = await answer.text();
      const took = Math.round(performance.now() - started);
      const hint = answer.status === 401 ? " This server asks for a key: write it above." : "";
      const whose = bodies.length > 1 ? ` by ${body.model}` : "";
      const rest = text.length > 700 ? ` … ${text.length.toLocaleString()} characters in all` : "";
      said.push(`${answer.status} ${answer.statusText} in ${took} ms${whose}.${hint}`);
      shown.push(text.slice(0, 700) + rest);
      if (!answer.ok) break;
    }
    return [said.join(" "), shown.join("\\n")];
  } catch (error) {
    return [`No answer: ${error.message}`, ""];
  }
}"""


@dataclass
class CodeView:
    """Components of the tab."""

    note: Any
    blocks: list[Any]
    payload: Any

    @property
    def outputs(self) -> list[Any]:
        """What a call changes."""
        return [self.note, self.payload, *self.blocks]


def build(desk: Desk) -> CodeView:
    """Lay the tab out and wire its own events."""
    import gradio as gr

    note = gr.HTML(status(EMPTY), elem_classes="note")
    blocks = []
    with gr.Tabs(elem_classes="languages", overflow_behavior="wrap"):
        for name, (language, _) in LANGUAGES.items():
            with gr.Tab(name):
                blocks.append(
                    gr.Code(
                        language=language,
                        show_label=False,
                        container=False,
                        interactive=False,
                        max_lines=30,
                        wrap_lines=True,
                    )
                )
    payload = gr.Textbox(visible="hidden", elem_id="payload")
    with gr.Row(elem_classes="controls"):
        key = gr.Textbox(
            type="password",
            label="Your key",
            placeholder="Your key, if this server asks for one",
            show_label=False,
            container=False,
            scale=1,
            elem_id="key",
        )
        run = gr.Button("Run", variant="primary", scale=0, min_width=100, elem_id="run")
    gr.HTML(
        status("Run sends this call from your browser straight to the API; the key goes nowhere else."),
        elem_classes="note",
    )
    outcome = gr.Textbox(label="Answer", interactive=False, elem_id="outcome", lines=1, max_lines=2)
    beginning = gr.Textbox(
        show_label=False,
        interactive=False,
        elem_id="answer",
        placeholder="What came back, after Run",
        lines=2,
        max_lines=8,
        container=False,
    )
    answer = [outcome, beginning]
    sending = run.click(None, [], answer, js="() => ['Sending…', '']", api_visibility="private")
    sending.then(None, [key, payload], answer, js=RUN, api_visibility="private")
    return CodeView(note, blocks, payload)


def wire(desk: Desk, view: CodeView, done: Any) -> None:
    """After any call: show it."""
    done.success(bind(desk, show), [], view.outputs, **QUIET)


def wire_told(desk: Desk, view: CodeView, event: Any) -> None:
    """After what another view's script tells by `event`: show its call."""
    wire(desk, view, event(bind_told(desk, heard), [], [], trigger_mode="always_last", **QUIET))


async def show(desk: Desk, session: Session) -> Any:
    """The last call in every language."""
    call = session.last_call
    if call is None:
        return status(EMPTY if session.dataset is None else NOT_EMBEDDED), "", *["" for _ in LANGUAGES]
    sentence = DONE[call.action]
    if call.bodies:
        sentence += " EMBED_KEY holds your key; any word serves while the server is open."
    sentence += " The last tab does the same without a server."
    if call.total > len(call.texts):
        sentence += f" The first {len(call.texts)} of {many(call.total, 'text')} are shown."
    if call.shortened:
        sentence += f" Texts are cut here after {SHOWN_CHARS:,} characters."
    if call.searched:
        sentence += " Of the texts that were searched the first are shown there."
    written = [
        write(call, session.base) if call.bodies or name == PACKAGE else snippets.no_call(language)
        for name, (language, write) in LANGUAGES.items()
    ]
    return status(sentence), snippets.as_json(call.bodies) if call.bodies else "", *written
