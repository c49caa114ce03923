// Servers of pages: one page, and the client as it is.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const fileUrl = (name) => new URL(name, import.meta.url);
const files = {
  "/": [fileUrl("page.html"), "text/html"],
  "/page.js": [fileUrl("page.js"), "text/javascript"],
  "/relatch.js": [fileUrl("../../../clients/js/relatch.js"), "text/javascript"],
};

/** Serves the page at an origin of this machine; with port 0 at one that is free. Gives the server and its origin. */
export async function servePages(origin) {
  const server = createServer(async (request, response) => {
    const [file, type] = files[new URL(request.url, origin).pathname] ?? [];
    if (file === undefined) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" });
    response.end(await readFile(file));
  });
  const { port } = new URL(origin);
  await new Promise((resolve, reject) => server.once("error", reject).listen(Number(port), "127.0.0.1", resolve));
  return { server, origin: origin.replace(/:\d+$/, `:${server.address().port}`) };
}
