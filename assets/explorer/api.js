// What the map asks of the server. Every answer is JSON or plain numbers; no text ever becomes HTML.

const KEPT_TEXTS = 5000;

export class Gone extends Error {}

export class Api {
  constructor(base, id) {
    this.root = new URL(`explorer/data/${encodeURIComponent(id)}`, base).href;
    this.texts = new Map();
  }

  async _answer(path, options) {
    let response;
    try {
      response = await fetch(this.root + path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error; // we ourselves no longer want it
      throw new Error("The server does not answer. Is it still running?");
    }
    if (response.ok) return response;
    const said = await response.json().catch(() => ({}));
    const sentence = said.error ?? `The server answered ${response.status}.`;
    throw response.status === 404 ? new Gone(sentence) : new Error(sentence);
  }

  async json(path) {
    return (await this._answer(path)).json();
  }

  async post(path, body, signal) {
    const headers = { "Content-Type": "application/json" };
    return (await this._answer(path, { method: "POST", headers, body: JSON.stringify(body), signal })).json();
  }

  about(layout) {
    return this.json(layout ? `?layout=${encodeURIComponent(layout)}` : "");
  }

  async points(layout) {
    const response = await this._answer(`/points/${encodeURIComponent(layout)}`);
    return new Float32Array(await response.arrayBuffer());
  }

  clusters(layout) {
    return this.json(`/clusters/${encodeURIComponent(layout)}`);
  }

  // Low and high are the places of the grid's first and last row and column.
  async density(layout) {
    const numbers = new Float32Array(await (await this._answer(`/density/${encodeURIComponent(layout)}`)).arrayBuffer());
    const shares = numbers.subarray(4);
    return { low: numbers.subarray(0, 2), high: numbers.subarray(2, 4), shares, cells: Math.sqrt(shares.length) };
  }

  async colour(number, kind, layout) {
    const bytes = await (await this._answer(`/colour/${number}?layout=${encodeURIComponent(layout)}`)).arrayBuffer();
    return kind === "group" ? new Uint8Array(bytes) : new Float32Array(bytes);
  }

  // Of each row the place of its text, its tokens or a column's cell among all; equal ones share one.
  async ranks(by) {
    return new Int32Array(await (await this._answer(`/ranks/${by}`)).arrayBuffer());
  }

  neighbours(row, k = 10) {
    return this.json(`/neighbours/${row}?k=${k}`);
  }

  vector(row) {
    return this.json(`/vector/${row}`);
  }

  selection(rows) {
    return this.post("/selection", { rows });
  }

  // Rows by the key of a selection; null where it is not kept any more.
  async selected(key) {
    return (await this.json(`/selection/${encodeURIComponent(key)}`)).rows;
  }

  async search(wanted, signal) {
    const found = await this.post("/search", wanted, signal);
    return { ...found, scores: numbers(found.scores) };
  }

  // Points of another dataset of the same texts, laid over those of this one.
  async aligned(other, layout) {
    const response = await this._answer(`/aligned/${encodeURIComponent(other)}?layout=${encodeURIComponent(layout)}`);
    return new Float32Array(await response.arrayBuffer());
  }

  async compared(other) {
    const found = await this.json(`/compare/${encodeURIComponent(other)}`);
    return { ...found, overlap: found.overlap && numbers(found.overlap) };
  }

  // Rows as the server describes them, in order; those seen before are not asked for again.
  async rows(wanted) {
    const missing = wanted.filter((row) => !this.texts.has(row));
    for (let start = 0; start < missing.length; start += 200) {
      const part = await this.post("/texts", { rows: missing.slice(start, start + 200) });
      for (const row of part) this.texts.set(row.row, row);
    }
    const found = wanted.map((row) => this.texts.get(row));
    while (this.texts.size > KEPT_TEXTS) this.texts.delete(this.texts.keys().next().value);
    return found;
  }

  async file(path, body) {
    const headers = { "Content-Type": "application/json" };
    return (await this._answer(path, { method: "POST", headers, body: JSON.stringify(body) })).blob();
  }

  // What the server says as it goes on, line by line; leaving the loop, or `signal`, ends the work there.
  async *lines(path, body, signal) {
    const headers = { "Content-Type": "application/json" };
    const response = await this._answer(path, { method: "POST", headers, body: JSON.stringify(body), signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        const lines = (rest + (value ?? "")).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const said = JSON.parse(line);
          if (said.error) throw new Error(said.error);
          yield said;
        }
        if (done) return;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }
}

function numbers(encoded) {
  return new Float32Array(Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0)).buffer);
}
