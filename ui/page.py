"""The page put together: masthead, ways to bring texts, and the views of what was brought."""

from __future__ import annotations

import html
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from embedder.errors import TesseraError
from ui import (
    chunking,
    code,
    compare,
    loading,
    map,
    mapped,
    model,
    sidebar,
    similarity,
    theme,
    upload,
    vectors,
)
from ui.samples import SAMPLES
from ui.session import Session
from ui.steps import Step
from ui.stopping import Replaced, Stopped
from ui.view import QUIET, Desk, bind, bind_stream, bind_told, sentence_of, status

SWEEP_S, KEPT_S = 600, 3600
QUEUE_LENGTH = 512
PLACEHOLDER = "The weather is lovely today.\nIt's so sunny outside!\nHe drove to the stadium."
FROM_ADDRESS = "(_, model) => [window.location.search, model]"
OLD_ERROR = """() => {
  const said = document.querySelector("#status .status.error");
  if (said) said.hidden = true;
}"""
"""What went wrong with other texts says nothing of a file that is chosen now."""


@dataclass
class Inputs:
    """What a visitor brings texts with."""

    model: Any
    bring: Any
    texts: Any
    way: Any
    chunks: chunking.ChunkControls
    embed: Any
    file: Any
    samples: dict[str, Any]
    cancel: Any
    status: Any


def make_blocks(desk: Desk) -> Any:
    """The whole page as Gradio blocks; nothing runs yet."""
    import gradio as gr

    with gr.Blocks(
        title="Tessera",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(SWEEP_S, KEPT_S),
    ) as blocks:
        with gr.Row(elem_classes="masthead", equal_height=True):
            gr.HTML(theme.header(), elem_classes="grow")
            models = model.build(desk)
            shelf_toggle = sidebar.build_toggle()
            toggle = gr.Button("Light / dark", size="sm", scale=0, min_width=110, elem_id="theme")
        shelf = sidebar.build(desk, shelf_toggle)
        inputs = build_inputs(desk, models.field)
        with gr.Tabs(elem_id="views", elem_classes="stage", overflow_behavior="wrap"):
            with gr.Tab("Map", id="map"):
                explorer = map.build(desk)
            with gr.Tab("Similarity", id="similarity"):
                similarity_view = similarity.build(desk)
            with gr.Tab("Vectors", id="vectors"):
                vectors_view = vectors.build(desk)
            with gr.Tab("Compare", id="compare"):
                compare_view = compare.build(desk)
            with gr.Tab("Code", id="code"):
                code_view = code.build(desk)
        loads, laid = wire_inputs(desk, blocks, inputs, explorer, shelf)
        for loaded in loads:
            sidebar.wire_load(desk, shelf, loaded)
            similarity.wire_load(desk, similarity_view, loaded)
            vectors.wire_load(desk, vectors_view, loaded)
            code.wire(desk, code_view, loaded)
        for told in (explorer.submit, similarity_view.input, vectors_view.input):
            code.wire_told(desk, code_view, told)
        code.wire(desk, code_view, compare.wire(desk, compare_view, loads))
        code.wire(desk, code_view, laid)
        blocks.load(None, js=theme.RESTORE, api_visibility="private")
        model.wire(desk, models, blocks, loads, inputs.status)
        toggle.click(None, js=theme.TOGGLE, api_visibility="private")
    blocks.queue(max_size=QUEUE_LENGTH, api_open=False)
    return blocks


def build_inputs(desk: Desk, field: Any) -> Inputs:
    """Ways to bring texts, and the line that says what goes on."""
    import gradio as gr

    with gr.Row(elem_classes="bringing"):
        with (
            gr.Column(elem_classes="ways", min_width=320, scale=1),
            gr.Tabs(elem_id="bring", selected="closed") as bring,
        ):
            with gr.Tab("Paste", id="paste"):
                texts = gr.Textbox(
                    label="Texts, one a line or a paragraph",
                    placeholder=PLACEHOLDER,
                    lines=7,
                    max_lines=14,
                    elem_id="texts",
                )
                way = gr.Radio(
                    list(loading.PASTE_WAYS), value="Guess", label="A text is a", elem_id="paste-way"
                )
                with gr.Row(elem_classes=["controls", "choices"]):
                    chunks = chunking.build(of="paste-", offered=True)
                embed = gr.Button("Embed", variant="primary", elem_id="embed")
            with gr.Tab("Upload", id="upload"):
                file = upload.build(desk)
            with gr.Tab("Samples", id="samples"):
                with gr.Row():
                    samples = {name: gr.Button(name, elem_classes="sample") for name in SAMPLES}
                gr.HTML(status("Made from Python itself: nothing is downloaded."), elem_classes="note")
            with gr.Tab("Hide", id="closed"):
                pass
        with gr.Column(elem_classes="line", min_width=280):
            line = gr.HTML(status("Loading a sample…"), elem_id="status")
            cancel = gr.Button("Cancel", size="sm", visible=False, elem_id="cancel")
    return Inputs(field, bring, texts, way, chunks, embed, file, samples, cancel, line)


def wire_inputs(
    desk: Desk, blocks: Any, inputs: Inputs, explorer: Any, shelf: sidebar.SidebarView
) -> tuple[list[Any], Any]:
    """Every way to bring texts, bounded together, and the layouts after them.

    Returns the events other views follow: those that bring texts, and that of another layout.
    """
    import gradio as gr

    names = {name: gr.State(name) for name in inputs.samples}
    address = gr.Textbox(visible="hidden", elem_id="address")
    ways = [
        (inputs.embed.click, loading.from_paste, [inputs.texts, inputs.way, *inputs.chunks.all], None),
        (
            inputs.file.embed.click,
            upload.from_file,
            inputs.file.sources,
            None,
        ),
        *(
            (button.click, loading.from_sample, [names[name]], None)
            for name, button in inputs.samples.items()
        ),
        (blocks.load, loading.from_address, [address], FROM_ADDRESS),
    ]
    outputs = [inputs.status, inputs.cancel, explorer]
    loads = [
        # What a visitor brings while other texts come takes their place; by default Gradio would drop it.
        trigger(
            bind_stream(desk, with_cancel(handler)),
            [*sources, inputs.model],
            outputs,
            js=js,
            trigger_mode="multiple",
            **QUIET,
        )
        for trigger, handler, sources, js in ways
    ]
    first = loads[-1]
    opened = bind_told(desk, with_cancel(sidebar.show_opened))
    loads.append(shelf.shelf.input(opened, [inputs.model], outputs, trigger_mode="always_last", **QUIET))
    for loaded in loads:
        loaded.success(bind_stream(desk, arrange_after_load), [], outputs, **QUIET)
    laid = explorer.input(bind_told(desk, arrange), [], outputs, trigger_mode="always_last", **QUIET)
    for loaded in loads:
        if loaded is not first:  # which may end after a visitor has begun to bring something
            loaded.success(lambda: gr.Tabs(selected="closed"), [], [inputs.bring], **QUIET)
    upload.wire_embedded(desk, inputs.file, loads[1])
    upload.wire_load(desk, inputs.file, blocks)
    inputs.file.file.upload(None, js=OLD_ERROR, api_visibility="private")
    inputs.cancel.click(bind(desk, cancel), [], None, **QUIET)
    return loads, laid


def with_cancel(handler: Any) -> Any:
    """`handler` of steps, with the Cancel button there while it runs."""

    async def stream(desk: Desk, session: Session, *values: Any) -> AsyncGenerator[Any, None]:
        import gradio as gr

        step, made = Step(""), handler(desk, session, *values)
        async with aclosing(session.loads.under(made, replaceable=True)) as steps:
            try:
                async for step in steps:
                    session.saw(step.map_value)
                    yield step.line, gr.update(visible=True), step.map_value or gr.skip()
            except Replaced:  # the line and the button are the newer one's
                yield gr.skip(), gr.skip(), gr.skip()
                raise gr.Error("Replaced", visible=False, print_exception=False) from None
            except Stopped:
                await loading.ensure_some(desk, session)
                yield what_was_there(session)
                raise gr.Error("Cancelled", visible=False, print_exception=False) from None
            except Exception as error:
                sentence = sentence_of(error)
                yield status(sentence, kind="error"), gr.update(visible=False), step.map_value or gr.skip()
                # Said once, where the visitor looks; the error keeps what follows a load from following.
                raise gr.Error(html.escape(sentence), visible=False, print_exception=False) from None
        yield step.line, gr.update(visible=False), gr.skip()

    return stream


async def arrange(desk: Desk, session: Session, told: Any = None) -> AsyncGenerator[Any, None]:
    """Another layout for the texts on screen, with a line, a share and Cancel."""
    async with aclosing(arranged(desk, session, map.arrange(desk, session, told))) as steps:
        async for step in steps:
            yield step


async def arranged(
    desk: Desk, session: Session, laying: AsyncGenerator[Any, None]
) -> AsyncGenerator[Any, None]:
    """What `laying` yields, under this visitor's Cancel."""
    import gradio as gr

    try:
        async with aclosing(session.loads.under(laying)) as steps:
            async for value, line, goes_on in steps:
                dataset = session.dataset
                said = line or (loading.summary(dataset) if dataset else "")
                session.saw(value)
                yield said, gr.update(visible=goes_on), value
    except Stopped:
        yield what_was_there(session)
    except TesseraError as error:
        shown = loading.summary(session.dataset) if session.dataset else ""
        yield status(str(error), kind="error") + shown, gr.update(visible=False), gr.skip()


async def arrange_after_load(desk: Desk, session: Session) -> AsyncGenerator[Any, None]:
    """UMAP, unless a layout is there or there are too few texts for one; an older one brought up to date."""
    import gradio as gr

    dataset = session.dataset
    if dataset is None or (dataset.workings.layouts and not dataset.workings.outdated):
        yield gr.skip(), gr.skip(), gr.skip()
        return
    outdated = dataset.workings.outdated
    laying = mapped.arrange(desk, session) if outdated else map.arrange(desk, session)
    async with aclosing(arranged(desk, session, laying)) as steps:
        async for step in steps:
            yield step
    if not outdated:
        await mapped.keep_shown(desk, dataset)


async def cancel(desk: Desk, session: Session) -> None:
    """End what is running, which says so itself."""
    session.loads.stop()
    session.begin()


def what_was_there(session: Session) -> Any:
    """After Cancel: what was on screen stays."""
    import gradio as gr

    dataset = session.dataset
    said = status("Cancelled; what was there before is still there.")
    if dataset is None:
        return said, gr.update(visible=False), gr.skip()
    return said + loading.summary(dataset), gr.update(visible=False), map.as_before(session, dataset)
