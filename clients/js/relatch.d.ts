/** Makes a client. Every tab of a page makes its own; they share one session. */
export function createClient(options: ClientOptions): Client;

export interface ClientOptions {
  /** Where Relatch is, such as `https://auth.example.com`: https, or http on this machine. */
  baseUrl: string;
  /**
   * Where the refresh token is. `"cookie"`: in a cookie that no script can read. `"body"`: in
   * `storage`, where every script of the page can read it.
   */
  mode: "cookie" | "body";
  /**
   * Where the tabs of a browser keep what they share.
   *
   * In body mode that is the refresh token, its key and the access token, and `"memory"` is
   * preset: each tab has a session of its own, which ends with the page. In cookie mode it is no
   * secret (the session's id, a counter, times, keys), and `"local"` is preset, which is Web Storage;
   * where a browser forbids that, memory takes its place.
   */
  storage?: "memory" | "local" | SessionStorage;
  /** The origins whose requests carry the access token, such as `https://api.example.com`. None is preset. */
  origins?: readonly string[];
  /** Refresh so many seconds before the access token expires, but in the last tenth of its life only; 30. */
  margin?: number;
  /** How many seconds a request, or the wait for another tab's, may take; 20. */
  timeout?: number;
  /** For how many seconds a refresh or a sign-out is tried again before the call fails; 60. */
  patience?: number;
  /** What the lock, the channel and the stored record are called. Preset is `relatch` and `baseUrl`. */
  name?: string;
  /** Stands for what the client takes from its surroundings, where there is no browser, or another one. */
  environment?: Partial<Environment>;
}

/** A place for one record of text. What two tabs share must be one place. */
export interface SessionStorage {
  get(name: string): string | null | undefined | Promise<string | null | undefined>;
  /** With `null` there is none any more. */
  set(name: string, text: string | null): void | Promise<void>;
}

export interface Client {
  /**
   * Signs in. Nothing is tried again: the user is there.
   *
   * @throws RelatchError `invalid_credentials`, or `too_many_attempts` with `retryAfter`.
   */
  signIn(email: string, password: string, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Signs out: in all tabs at once, and then at the server, with `everywhere` on all devices.
   *
   * @throws RelatchError if the server could not be told. The tabs are signed out all the same,
   * but the session goes on until it expires. In cookie mode call it again: the cookie is there.
   */
  signOut(options?: { everywhere?: boolean; signal?: AbortSignal }): Promise<void>;
  /**
   * As `fetch`, with the access token for the origins that were listed.
   *
   * On a 401 it refreshes and repeats the request once; a body is copied for that, a stream too,
   * which is then kept in memory. A request that has an `Authorization` header is left as it is, and
   * one is sent without when nobody is signed in.
   *
   * @throws RelatchError when no access token could be had, and what `fetch` throws.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /**
   * An access token that is good, refreshed if need be, or null when nobody is signed in.
   *
   * @throws RelatchError `invalid_grant` when it turned out that the session is over, and what
   * is temporary when it lasted longer than `patience`.
   */
  accessToken(options?: { signal?: AbortSignal }): Promise<string | null>;
  /** Whether somebody is signed in. In cookie mode it asks the server if this browser does not know. */
  isSignedIn(options?: { signal?: AbortSignal }): Promise<boolean>;
  /** Calls on every change, in this tab or another. What it returns ends that. */
  onChange(listener: (change: Change) => void): () => void;
  /** Ends the listening to other tabs and all calls of `onChange`. It signs nobody out. */
  close(): void;
}

export type Change =
  /** Somebody is signed in: for the first time, or as another session. */
  | { type: "signed-in"; isHere: boolean }
  /** There is another access token. */
  | { type: "refreshed"; isHere: boolean }
  /** The session is over: `user` if somebody signed out, `invalid_grant` if the server said so. */
  | { type: "signed-out"; isHere: boolean; reason: "user" | "invalid_grant" };

export type ErrorCode =
  /** The email and the password do not belong together. */
  | "invalid_credentials"
  /** Too many passwords were tried; `retryAfter` says how many seconds to wait. */
  | "too_many_attempts"
  /** The session is over, and the user signs in again. Nothing else means that. */
  | "invalid_grant"
  /** The request has not the form that the server asks for, or comes from a page that may not use cookies. */
  | "invalid_request"
  | "not_found"
  | "method_not_allowed"
  | "payload_too_large"
  | "unsupported_media_type"
  /** Temporary: something is broken on the server. */
  | "server_error"
  /** Temporary: the server, or what is in front of it, is busy. */
  | "temporarily_unavailable"
  /** Temporary: no answer came. */
  | "network_error"
  /** Temporary: no answer came in time, or another tab held the lock for too long. */
  | "timeout"
  /** Temporary: an answer of 200 that cannot be read, as one that was lost. */
  | "unreadable_answer"
  /** An answer that Relatch does not give. */
  | "unexpected_answer"
  /** `get` or `set` of the storage threw; `cause` says what. */
  | "storage_failed";

export class RelatchError extends Error {
  readonly name: "RelatchError";
  readonly code: ErrorCode;
  /** The status of the answer, if there was one. */
  readonly status: number | undefined;
  /** How many seconds the server asked to wait, if it did. */
  readonly retryAfter: number | undefined;
  /** Whether the same call may succeed later. Nobody is signed out by such an error. */
  readonly isTemporary: boolean;
}

/** What the client takes from a browser. */
export interface Environment {
  fetch(input: string | Request, init?: RequestInit): Promise<Response>;
  /** Web Locks. Without them, only the callers of one tab take turns. */
  locks: { request<T>(name: string, options: { signal: AbortSignal }, work: () => Promise<T>): Promise<T> } | undefined;
  localStorage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined;
  /** Where `storage` events come from. */
  events: Pick<EventTarget, "addEventListener" | "removeEventListener"> | undefined;
  /** Opens a `BroadcastChannel`. */
  openChannel: ((name: string) => Channel) | undefined;
  /** A clock that nobody sets, in milliseconds. */
  now(): number;
  /** The device's clock, in milliseconds. It only tells how old a token of another tab is, and that time has passed. */
  wall(): number;
  setTimeout(work: () => void, delay: number): unknown;
  clearTimeout(timer: any): void;
  /** From 0 up to 1, for pauses. Keys come from `crypto.getRandomValues`. */
  random(): number;
}

export interface Channel {
  /** Called with `{ data }` for every message of another tab. */
  onmessage: ((event: any) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}
