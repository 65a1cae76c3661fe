// The openai npm package's files and vector stores as its users call them; prints what came back as JSON.
import process from "node:process";

const { OpenAI, toFile } = await import(process.env.OPENAI_PACKAGE);
const { EMBED_BASE: base, EMBED_KEY: apiKey } = process.env;
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey, maxRetries: 0 });

const paragraph = (n) => `Paragraph ${n} speaks of thing number ${n}, and of nothing else at all. `.repeat(3);
const long = Array.from({ length: 12 }, (_, n) => paragraph(n)).join("\n\n");
const contents = {
  "weather.md": "The weather is lovely today.\n\nIt's so sunny outside!",
  "stadium.txt": "He drove to the stadium.",
  "long.txt": long,
};
const chunking = { type: "static", static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 20 } };
const poll = { pollIntervalMs: 100 };

async function all(page) {
  const found = [];
  for await (const one of page) found.push(one);
  return found;
}

const files = {};
for (const [name, text] of Object.entries(contents)) {
  files[name] = await client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" });
}
const out = { file: files["weather.md"], long };
out.content = await (await client.files.content(files["weather.md"].id)).text();

const store = (out.created = await client.vectorStores.create({ name: "notes", metadata: { owner: "me" } }));
const inStore = { vector_store_id: store.id };
out.attached = await client.vectorStores.files.createAndPoll(
  store.id,
  { file_id: files["long.txt"].id, attributes: { kind: "long", year: 2024 }, chunking_strategy: chunking },
  poll,
);
const short = [files["weather.md"].id, files["stadium.txt"].id];
out.batch = await client.vectorStores.fileBatches.createAndPoll(store.id, { file_ids: short, attributes: { kind: "short" } }, poll);
const bread = await toFile(Buffer.from("Knead the dough and let it rise for an hour."), "bread.txt");
out.uploaded = await client.vectorStores.files.uploadAndPoll(store.id, bread, poll);

out.search = (await client.vectorStores.search(store.id, { query: "Is the sun shining?", max_num_results: 2 })).data;
const filters = {
  type: "and",
  filters: [
    { type: "eq", key: "kind", value: "long" },
    { type: "gte", key: "year", value: 2024 },
  ],
};
out.options = (
  await client.vectorStores.search(store.id, {
    query: ["thing number 7", "thing number 3"],
    filters,
    ranking_options: { ranker: "auto", score_threshold: 0.2 },
    rewrite_query: true,
  })
).data;
const ids = async (page) => (await all(page)).map((one) => one.id).sort();
out.files = await ids(client.vectorStores.files.list(store.id, { limit: 2 }));
out.all_ids = [...Object.values(files).map((one) => one.id), out.uploaded.id].sort();
out.batch_files = await ids(client.vectorStores.fileBatches.listFiles(out.batch.id, inStore));
out.changed = await client.vectorStores.files.update(files["stadium.txt"].id, { ...inStore, attributes: { kind: "moved" } });
const moved = { query: "x", filters: { type: "eq", key: "kind", value: "moved" } };
out.moved = (await client.vectorStores.search(store.id, moved)).data;
out.chunks = (await all(client.vectorStores.files.content(files["long.txt"].id, inStore))).map((one) => one.text);
out.detached = await client.vectorStores.files.delete(files["long.txt"].id, inStore);
out.renamed = await client.vectorStores.update(store.id, { name: "renamed" });
out.listed = (await all(client.vectorStores.list())).map((one) => one.id);
out.gone = await client.vectorStores.delete(store.id);
try {
  await client.vectorStores.search(store.id, { query: "x" });
} catch (error) {
  out.error = error.code;
}
for (const one of await all(client.files.list())) await client.files.delete(one.id);
out.left = (await all(client.files.list())).length;
console.log(JSON.stringify(out));
