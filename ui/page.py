"""The page put together: header, what to embed on the left, what came of it on the right."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from embedder.errors import TesseraError
from ui import code, loading, map, search, similarity, theme, vectors
from ui.samples import SAMPLES
from ui.session import Session
from ui.view import QUIET, Desk, bind, bind_stream, many, status

FIRST_SAMPLE = "Emoji by name"
FILE_TYPES = [".txt", ".md", ".csv", ".tsv", ".jsonl", ".json", ".ndjson"]
SWEEP_S, KEPT_S = 600, 3600
QUEUE_LENGTH = 512


@dataclass
class Inputs:
    """What a visitor brings texts with."""

    model: Any
    texts: Any
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
            badge = gr.HTML(theme.badge(desk.settings.default_model, None), elem_id="badge")
            toggle = gr.Button("Light / dark", size="sm", scale=0, min_width=110, elem_id="theme")
        with gr.Row(elem_classes="workspace"):
            with gr.Column(elem_classes="sidebar", min_width=300, scale=0):
                inputs = build_inputs(desk)
            with gr.Column(elem_classes="stage", min_width=320, scale=1), gr.Tabs(elem_id="views"):
                with gr.Tab("Map", id="map"):
                    map_view = map.build(desk)
                with gr.Tab("Similarity", id="similarity"):
                    similarity_view = similarity.build(desk)
                with gr.Tab("Vectors", id="vectors"):
                    vectors_view = vectors.build(desk)
                with gr.Tab("Search", id="search"):
                    search_view = search.build(desk)
                with gr.Tab("Code", id="code"):
                    code_view = code.build(desk)
        loads = wire_inputs(desk, blocks, inputs)
        for loaded in loads:
            map.wire_load(desk, map_view, loaded)
            similarity.wire_load(desk, similarity_view, loaded)
            vectors.wire_load(desk, vectors_view, loaded)
            search.wire_load(desk, search_view, loaded)
            code.wire(desk, code_view, loaded)
        for searched in search_view.searched:
            code.wire(desk, code_view, searched)
        blocks.load(None, js=theme.RESTORE, api_visibility="private")
        blocks.load(bind_stream(desk, show_model), [inputs.model], [badge], **QUIET)
        inputs.model.input(bind_stream(desk, show_model), [inputs.model], [badge], **QUIET)
        toggle.click(None, js=theme.TOGGLE, api_visibility="private")
    blocks.queue(max_size=QUEUE_LENGTH, api_open=False)
    return blocks


def build_inputs(desk: Desk) -> Inputs:
    """The left column."""
    import gradio as gr

    allowed = list(desk.settings.allowed_models)
    model = gr.Dropdown(
        allowed, value=allowed[0], label="Model", visible=len(allowed) > 1, filterable=False, elem_id="model"
    )
    with gr.Tabs(elem_id="bring"):
        with gr.Tab("Paste"):
            texts = gr.Textbox(
                label="Texts, one a line",
                placeholder="The weather is lovely today.\nIt's so sunny outside!\nHe drove to the stadium.",
                lines=11,
                max_lines=18,
                elem_id="texts",
            )
            embed = gr.Button("Embed", variant="primary", elem_id="embed")
        with gr.Tab("Upload"):
            file = gr.File(
                label="TXT, CSV or JSONL",
                file_types=FILE_TYPES,
                type="filepath",
                height=180,
                elem_id="upload",
            )
            gr.HTML(status(upload_limits(desk)), elem_classes="note")
        with gr.Tab("Samples"):
            samples = {name: gr.Button(name, elem_classes="sample") for name in SAMPLES}
            gr.HTML(status("Made from Python itself: nothing is downloaded."), elem_classes="note")
    line = gr.HTML(status("Loading a sample…"), elem_id="status")
    cancel = gr.Button("Cancel", size="sm", visible=False, elem_id="cancel")
    return Inputs(model, texts, embed, file, samples, cancel, line)


def upload_limits(desk: Desk) -> str:
    """How much a file may bring."""
    texts = many(desk.settings.page_max_texts, "text")
    size = f"{desk.settings.page_max_upload_bytes / 2**20:,.3g} MB"
    return f"Up to {texts}, {size}. A column named “text” is found by itself."


def wire_inputs(desk: Desk, blocks: Any, inputs: Inputs) -> list[Any]:
    """Every way to bring texts, bounded together; returns the events other views follow."""
    import gradio as gr

    heavy = {
        "show_progress": "hidden",
        "concurrency_limit": desk.settings.page_max_jobs,
        "concurrency_id": "embedding",
        "api_visibility": "private",
    }
    first = gr.State(FIRST_SAMPLE)
    names = {name: gr.State(name) for name in inputs.samples}
    ways = [
        (blocks.load, loading.from_sample, first),
        (inputs.embed.click, loading.from_paste, inputs.texts),
        (inputs.file.upload, loading.from_upload, inputs.file),
        *((button.click, loading.from_sample, names[name]) for name, button in inputs.samples.items()),
    ]
    outputs = [inputs.status, inputs.cancel]
    loads = [
        trigger(bind_stream(desk, with_cancel(handler)), [source, inputs.model], outputs, **heavy)
        for trigger, handler, source in ways
    ]
    inputs.cancel.click(bind(desk, cancelled), [], outputs, cancels=loads, **QUIET)
    return loads


def with_cancel(handler: Any) -> Any:
    """`handler` of status lines, with the Cancel button there while it runs."""

    async def stream(desk: Desk, session: Session, *values: Any) -> AsyncGenerator[Any, None]:
        import gradio as gr

        line, lines = "", handler(desk, session, *values)
        try:
            async for line in lines:
                yield line, gr.update(visible=True)
        except Exception:
            yield line, gr.update(visible=False)
            raise
        finally:
            await lines.aclose()
        yield line, gr.update(visible=False)

    return stream


async def cancelled(desk: Desk, session: Session) -> Any:
    """What was on screen stays."""
    import gradio as gr

    session.begin()
    shown = loading.summary(session.dataset) if session.dataset else ""
    return status("Cancelled; what was there before is still there.") + shown, gr.update(visible=False)


async def show_model(desk: Desk, session: Session, model: Any) -> AsyncGenerator[Any, None]:
    """The badge: how far the model is, then what it is."""
    model_id = model if isinstance(model, str) and model in desk.settings.allowed_models else None
    model_id = model_id or desk.settings.default_model
    yield theme.badge(model_id, None)
    try:
        info = await desk.engine.model_info(model_id)
    except TesseraError as error:
        yield theme.badge(model_id, None, str(error))
        return
    yield theme.badge(model_id, info)
