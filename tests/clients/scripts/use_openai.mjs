// The openai npm package as its users call it; prints what came back as JSON.
import process from "node:process";

const { OpenAI } = await import(process.env.OPENAI_PACKAGE);
const { EMBED_BASE: base, EMBED_MODEL: model, EMBED_KEY: apiKey } = process.env;
const texts = JSON.parse(process.env.TEXTS);
const tokenIds = JSON.parse(process.env.TOKEN_IDS);

const client = new OpenAI({ baseURL: `${base}/v1`, apiKey, maxRetries: 0 });
const underModel = new OpenAI({ baseURL: `${base}/${model}/v1`, apiKey, maxRetries: 0 });
const stranger = new OpenAI({ baseURL: `${base}/v1`, apiKey: "wrong", maxRetries: 0 });

async function attempt(call) {
  try {
    await call();
  } catch (error) {
    const { status, code, param, type, requestID } = error;
    return { class: error.constructor.name, status, code, param, type, request_id: requestID };
  }
  return { class: null };
}

const answers = {
  one: await client.embeddings.create({ model, input: texts[0] }),
  default: await client.embeddings.create({ model, input: texts }),
  float: await client.embeddings.create({ model, input: texts, encoding_format: "float" }),
  base64: await client.embeddings.create({ model, input: texts, encoding_format: "base64" }),
  dimensions: await client.embeddings.create({ model, input: texts, dimensions: 64 }),
  token_ids: await client.embeddings.create({ model, input: tokenIds[0] }),
  token_id_lists: await client.embeddings.create({ model, input: tokenIds }),
  under_model: await underModel.embeddings.create({ model, input: texts }),
};
const errors = {
  unknown_model: await attempt(() => client.embeddings.create({ model: "no/such", input: "x" })),
  empty_text: await attempt(() => client.embeddings.create({ model, input: "" })),
  wrong_key: await attempt(() => stranger.embeddings.create({ model, input: "x" })),
};
const models = [];
for await (const entry of client.models.list()) models.push(entry.id);

console.log(JSON.stringify({ answers, errors, models }));
