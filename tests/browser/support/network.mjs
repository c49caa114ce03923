// The network between the browser and a stack, which a test can break.
//
// It is a proxy and not an interception in the browser: connections really end, the browser
// itself decides what it sends once more, and a cookie of an answer that did not arrive is not kept.

import { Agent, createServer, request as ask } from "node:http";

import { generationOf } from "./stack.mjs";

export class Network {
  #server;
  #stack;
  #agent = new Agent({ keepAlive: true });
  #state = "works";
  #hold = null;
  #underWay = 0;
  /** Whether the header `Idempotency-Key` is lost: then the client is one without keys. */
  dropsKeys = false;
  /** `{ status, body }` that somebody on the way answers to a POST in the stack's place, or null. */
  substitute = null;
  /** How long an answer takes, in ms. */
  delay = 0;
  /**
   * All that the browser sent, in order, as `describe` and `outcome` say. `isAbandoned`: the connection
   * ended before the answer was there, on whichever side.
   */
  exchanges = [];

  /** A network of its own before a stack. */
  static async before(stack) {
    const network = new Network();
    network.#stack = new URL(stack);
    network.#server = createServer((request, response) => {
      network.#carry(request, response).catch(() => request.socket.destroy());
    });
    await new Promise((resolve) => network.#server.listen(0, "127.0.0.1", resolve));
    return network;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** From now on requests arrive and are done, but no answer to a POST comes back. */
  loseReplies() {
    this.#state = "loses replies";
  }

  /** From now on nothing arrives. */
  goDown() {
    this.#state = "is down";
  }

  comeBack() {
    this.#state = "works";
  }

  /**
   * Withholds the answer to the next POST to this path. `arrived` ends when the stack has answered;
   * `lose()` ends the connection, and so does the browser when it gives up.
   */
  hold(path) {
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
  get newest() {
    const tokens = this.exchanges.map(({ answered }) => answered).filter(Boolean);
    return tokens.reduce((best, token) => (generationOf(token) >= generationOf(best) ? token : best));
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  async #carry(request, response) {
    const body = await bytesOf(request);
    const exchange = describe(request, body);
    this.exchanges.push(exchange);
    response.once("close", () => (exchange.isAbandoned = !response.writableFinished));
    if (this.#state === "is down") return request.socket.destroy();
    const isRefresh = exchange.method === "POST" && exchange.path === "/refresh";
    exchange.others = this.#underWay;
    if (isRefresh) this.#underWay += 1;
    try {
      const answer = await this.#forward(request, body);
      Object.assign(exchange, outcome(answer));
      if (this.delay > 0) await new Promise((resolve) => setTimeout(resolve, this.delay));
      let isLost = exchange.method === "POST" && this.#state === "loses replies";
      if (this.#hold?.path === exchange.path && exchange.method === "POST") {
        const hold = this.#hold;
        this.#hold = null;
        response.once("close", hold.lose);
        hold.arrive(exchange);
        await hold.lost;
        isLost = true;
      }
      exchange.end = isLost ? "lost" : "delivered";
      if (isLost) return request.socket.destroy();
      response.writeHead(answer.status, answer.rawHeaders).end(answer.body);
    } finally {
      if (isRefresh) this.#underWay -= 1;
    }
  }

  #forward({ method, url, headers }, body) {
    if (this.substitute !== null && method === "POST") {
      // So that the page may read it.
      const cors = { "access-control-allow-origin": headers.origin, "access-control-allow-credentials": "true" };
      const text = Buffer.from(this.substitute.body);
      return { status: this.substitute.status, headers: cors, rawHeaders: Object.entries(cors).flat(), body: text };
    }
    const sent = { ...headers, host: this.#stack.host };
    if (this.dropsKeys) delete sent["idempotency-key"];
    const { hostname, port } = this.#stack;
    return new Promise((resolve, reject) => {
      const request = ask({ hostname, port, method, path: url, headers: sent, agent: this.#agent }, (answer) => {
        bytesOf(answer).then(
          (bytes) => {
            const { statusCode: status, headers, rawHeaders } = answer;
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
function describe({ method, url, headers }, body) {
  return {
    method,
    path: url,
    origin: headers.origin,
    cookie: headers.cookie,
    key: headers["idempotency-key"],
    presented: objectOf(body).refresh_token ?? tokenIn(headers.cookie),
  };
}

/** And of its answer. */
function outcome({ status, headers, body }) {
  const cookies = (headers["set-cookie"] ?? []).join("\n");
  const answer = objectOf(body);
  return {
    status,
    error: answer.error,
    members: Object.keys(answer),
    setsCookie: cookies !== "",
    answered: answer.refresh_token ?? tokenIn(cookies),
  };
}

function tokenIn(cookies = "") {
  return /relatch_refresh=([^;\s]+)/.exec(cookies)?.[1];
}

function objectOf(bytes) {
  try {
    return Object(JSON.parse(bytes));
  } catch {
    return {};
  }
}

async function bytesOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
