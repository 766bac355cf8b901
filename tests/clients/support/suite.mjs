// What the files of tests have in common: a server with the embedded demo model for the whole file, further ones for a
// single test, and after each test the look at every answer that went by.
import { after, afterEach } from "node:test";
import { startServer } from "./server.mjs";

// extra(t, options) starts a server that ends with test t.
export async function useServers(options = {}) {
  const demo = await startServer(options);
  const running = [demo];
  const servers = {
    demo,
    async extra(t, more) {
      const server = await startServer(more);
      running.push(server);
      t.after(async () => {
        running.splice(running.indexOf(server), 1);
        await server.stop();
      });
      return server;
    },
  };
  afterEach(async () => {
    for (const server of running) await server.assertClean();
  });
  after(() => demo.stop());
  return servers;
}

// What the model writes to call a function.
export const toolCall = (name, parameters = {}) =>
  `<tool_call>\n<function=${name}>\n` +
  Object.entries(parameters).map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`).join("") +
  "</function>\n</tool_call>";

export const hasCancelled = (server, id = "chatcmpl-\\w+") => new RegExp(`${id} cancelled`).test(server.log);
