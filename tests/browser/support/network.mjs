// The network between the browser and a stack, which a test can break.
//
// It is a proxy and not an interception in the browser: connections really end, the browser
// itself decides what it sends once more, and a cookie of an answer that did not arrive is not kept.

import { Agent, createServer, request as sendRequest } from "node:http";

import { generationOf } from "./stack.mjs";

export class Network {
  #server;
  #stack;
  #agent = new Agent({ keepAlive: true });
  #state = "works";
  #hold = null;
  #pendingRefreshes = 0;
  /** Whether the header `Idempotency-Key` is lost: then the client is one without keys. */
  dropsKeys = false;
  /** `{ status, body }` that somebody on the way answers to a POST in the stack's place, or null. */
  substituteResponse = null;
  /** How long an answer takes, in ms. */
  delay = 0;
  /**
   * All that the browser sent, in order, as `describeRequest` and `describeResponse` say. `isAbandoned`: the connection
   * ended before the answer was there, on whichever side.
   */
  exchanges = [];

  /** A network of its own before a stack. */
  static async start(stackUrl) {
    const network = new Network();
    network.#stack = new URL(stackUrl);
    network.#server = createServer((request, response) => {
      network.#forward(request, response).catch(() => request.socket.destroy());
    });
    await new Promise((resolve) => network.#server.listen(0, "127.0.0.1", resolve));
    return network;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** From now on requests arrive and are done, but no answer to a POST comes back. */
  loseResponses() {
    this.#state = "loses responses";
  }

  /** From now on nothing arrives. */
  disconnect() {
    this.#state = "is down";
  }

  restore() {
    this.#state = "works";
  }

  /**
   * Withholds the answer to the next POST to this path. `arrived` ends when the stack has answered;
   * `lose()` ends the connection, and so does the browser when it gives up.
   */
  holdResponse(path) {
    const hold = { path };
    hold.arrived = new Promise((resolve) => (hold.arrive = resolve));
    hold.lost = new Promise((resolve) => (hold.lose = resolve));
    this.#hold = hold;
    return hold;
  }

  /** The POSTs to a path so far. */
  posts(path) {
    return this.exchanges.filter((exchange) => exchange.method === "POST" && exchange.path === path);
  }

  /** The refreshes so far. */
  get refreshes() {
    return this.posts("/refresh");
  }

  /** The newest refresh token that the stack gave. */
  get newestToken() {
    const tokens = this.exchanges.map(({ issued }) => issued).filter(Boolean);
    return tokens.reduce((newest, token) => (generationOf(token) >= generationOf(newest) ? token : newest));
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  async #forward(request, response) {
    const body = await readBytes(request);
    const exchange = describeRequest(request, body);
    this.exchanges.push(exchange);
    response.once("close", () => (exchange.isAbandoned = !response.writableFinished));
    if (this.#state === "is down") return request.socket.destroy();
    const isRefresh = exchange.method === "POST" && exchange.path === "/refresh";
    exchange.concurrentRefreshes = this.#pendingRefreshes;
    if (isRefresh) this.#pendingRefreshes += 1;
    try {
      const stackResponse = await this.#sendToStack(request, body);
      Object.assign(exchange, describeResponse(stackResponse));
      if (this.delay > 0) await new Promise((resolve) => setTimeout(resolve, this.delay));
      let isLost = exchange.method === "POST" && this.#state === "loses responses";
      if (this.#hold?.path === exchange.path && exchange.method === "POST") {
        const hold = this.#hold;
        this.#hold = null;
        response.once("close", hold.lose);
        hold.arrive(exchange);
        await hold.lost;
        isLost = true;
      }
      exchange.outcome = isLost ? "lost" : "delivered";
      if (isLost) return request.socket.destroy();
      response.writeHead(stackResponse.status, stackResponse.rawHeaders).end(stackResponse.body);
    } finally {
      if (isRefresh) this.#pendingRefreshes -= 1;
    }
  }

  #sendToStack({ method, url, headers }, body) {
    if (this.substituteResponse !== null && method === "POST") {
      // So that the page may read it.
      const cors = { "access-control-allow-origin": headers.origin, "access-control-allow-credentials": "true" };
      const substituteBody = Buffer.from(this.substituteResponse.body);
      const { status } = this.substituteResponse;
      return { status, headers: cors, rawHeaders: Object.entries(cors).flat(), body: substituteBody };
    }
    const forwardedHeaders = { ...headers, host: this.#stack.host };
    if (this.dropsKeys) delete forwardedHeaders["idempotency-key"];
    const { hostname, port } = this.#stack;
    return new Promise((resolve, reject) => {
      const options = { hostname, port, method, path: url, headers: forwardedHeaders, agent: this.#agent };
      const request = sendRequest(options, (response) => {
        readBytes(response).then(
          (bytes) => {
            const { statusCode: status, headers, rawHeaders } = response;
            resolve({ status, headers, rawHeaders, body: bytes });
          },
          reject,
        );
      });
      request.once("error", reject).end(body);
    });
  }
}

/** What is worth knowing of a request. */
function describeRequest({ method, url, headers }, body) {
  return {
    method,
    path: url,
    origin: headers.origin,
    cookie: headers.cookie,
    key: headers["idempotency-key"],
    presented: parseObject(body).refresh_token ?? findToken(headers.cookie),
  };
}

/** And of its answer. */
function describeResponse({ status, headers, body }) {
  const cookies = (headers["set-cookie"] ?? []).join("\n");
  const fields = parseObject(body);
  return {
    status,
    error: fields.error,
    fieldNames: Object.keys(fields),
    setsCookie: cookies !== "",
    issued: fields.refresh_token ?? findToken(cookies),
  };
}

function findToken(cookies = "") {
  return /relatch_refresh=([^;\s]+)/.exec(cookies)?.[1];
}

function parseObject(bytes) {
  try {
    return Object(JSON.parse(bytes));
  } catch {
    return {};
  }
}

async function readBytes(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
