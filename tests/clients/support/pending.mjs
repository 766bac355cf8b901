// Parts of the contract that a server may not have yet. The server itself is asked, never a version: a test of such a
// part is skipped with a clear line while the server refuses it by name, and fails on any other answer.
const object = { type: "object", properties: { a: { type: "boolean" } }, required: ["a"], additionalProperties: false };
const f = { type: "function", function: { name: "f", parameters: object } };
const requests = {
  "json_schema": { response_format: { type: "json_schema", json_schema: { name: "a", strict: true, schema: object } } },
  "json_object": { response_format: { type: "json_object" } },
  "tool_choice required": { tools: [f], tool_choice: "required" },
  "named tool_choice": { tools: [f], tool_choice: { type: "function", function: { name: "f" } } },
};

const known = new WeakMap();

export async function has(server, feature) {
  if (!known.has(server)) known.set(server, new Map());
  const cache = known.get(server);
  if (!cache.has(feature)) cache.set(feature, await ask(server, feature));
  return cache.get(feature);
}

async function ask(server, feature) {
  return (await server.answers(requests[feature])) !== null;
}

// Skips the test and says why, when the server lacks one of the features.
export async function pending(t, server, ...features) {
  for (const feature of features) {
    if (await has(server, feature)) continue;
    t.skip(`pending: this server has no ${feature} yet`);
    return true;
  }
  return false;
}
