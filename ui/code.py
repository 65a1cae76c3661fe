"""The last call as code, and a button that sends it from the visitor's own browser."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from embedder.errors import InvalidInput
from ui import recipes, snippets
from ui.owned import RUNTIME
from ui.session import Session
from ui.snippets import SHOWN_CHARS, LastCall
from ui.vector_routes import LookedAt
from ui.view import QUIET, Desk, bind, bind_told, many, status
from ui.wire import check_row

LANGUAGES = {
    "curl": ("shell", snippets.curl),
    "Python": ("python", snippets.python_requests),
    "Python, OpenAI": ("python", snippets.python_openai),
    "JavaScript": ("javascript", snippets.javascript),
    "Python package": ("python", recipes.package),
}
DONE = {
    "embed": "The last call of this page: texts embedded.",
    "search": "The last call of this page: a question, embedded as one.",
    "pair": "The last call of this page: two texts, and how alike they are.",
    "compare": "The last calls of this page: the same texts by both models.",
}
EMPTY = "No call yet. Once texts are embedded, the same call stands here as code."
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


def wire_looks(desk: Desk, view: CodeView, component: Any) -> None:
    """After a look at one text or two in another view, whose script tells which: show its call."""
    wire(desk, view, component.input(bind_told(desk, looked), [], [], **QUIET))


async def looked(desk: Desk, session: Session, told: Any) -> AsyncGenerator[None, None]:
    """A view looked at one text or two, `told` as the route `vectors` takes them: that call is the last.

    Raises:
        InvalidInput: no such texts.
    """
    try:
        items = LookedAt.model_validate(told).items
    except ValidationError:
        raise InvalidInput("One text or two can be looked at.") from None
    dataset = session.dataset
    if dataset is not None and dataset.model.runtime != RUNTIME:
        texts = [
            item.text if item.row is None else dataset.texts[check_row(dataset, item.row)] for item in items
        ]
        if not all(text.strip() for text in texts):
            raise InvalidInput("There is no text to embed yet. Write a few words.")
        kinds = {item.kind for item in items}
        if len(texts) == 1:
            session.last_call = LastCall.of(dataset.model.id, texts, *kinds)
        elif kinds == {None}:  # one call has one kind of texts
            session.last_call = LastCall.pair(dataset.model.id, *texts)
    yield None


async def show(desk: Desk, session: Session) -> Any:
    """The last call in every language."""
    call = session.last_call
    if call is None:
        return status(EMPTY), "", *["" for _ in LANGUAGES]
    sentence = (
        f"{DONE[call.action]} EMBED_KEY holds your key; any word serves while the server is open. "
        "The last tab does the same without a server."
    )
    if call.total > len(call.texts):
        sentence += f" The first {len(call.texts)} of {many(call.total, 'text')} are shown."
    if call.shortened:
        sentence += f" Texts are cut here after {SHOWN_CHARS:,} characters."
    written = (write(call, session.base) for _, write in LANGUAGES.values())
    return status(sentence), snippets.as_json(call.bodies), *written
