/**
 * A client for a chat that streams: one file, no framework, no build. docs/demo.md explains it.
 *
 *   import { ChatClient } from "./chat-client.js";
 *   const client = new ChatClient("wss://host/ws/SESSION?ordering=subscribe_then_history");
 *   client.addEventListener("change", () => show(client.transcript.text()));
 *   client.start();
 *
 * It de-duplicates on (message_id, index), orders by seq, sees holes, at the tail too, by the head
 * number of welcome and heartbeat, fetches what is missing, and resumes where it was when the
 * connection breaks. When a welcome or heartbeat names another epoch, numbers have begun again: what was shown
 * stays, in front, and everything is asked for. A React hook would keep one in a ref and its text in state.
 *
 * @typedef {{session_id: string, message_id: string, index: number, text: string,
 *            final: boolean, seq: number}} Chunk  One piece of an answer; seq counts from 1.
 * @typedef {"history" | "live" | "fetch"} Via  How a chunk came.
 * @typedef {{chunk: Chunk, via: Via, isNew: boolean, inOrder: boolean}} Receipt
 * @typedef {[number, number]} Range  First and last number, both included.
 */

/** A number is asked for in so many rounds, a heartbeat apart; then it is taken to be lost. */
export const MAX_ASKS = 5;
/** Numbers in one fetch: the node refuses more. */
export const MAX_FETCH = 10_000;
/** Fetches that may wait for their answers at a time. */
export const MAX_FETCHES_WAITING = 4;

/** The node closed because of what we sent; coming again would not help. */
const OUR_FAULT = new Set([1003, 1007, 1008, 1009]);

/** What one client holds of a session. Pure: chunks and head numbers in, text and ranges out. */
export class Transcript {
  /** @type {Chunk[]} Every chunk once, by seq. */
  chunks = [];
  /** The highest number there is evidence of: received, or told by welcome or heartbeat. */
  headSeq;
  /** @type {string | null} What the numbers are of, as far as a welcome or heartbeat has said it. */
  epoch = null;
  /** @type {Map<string, Chunk>} Shown in earlier epochs, and not come again. */
  #earlier = new Map();
  #afterSeq;
  #keys = new Set();
  #seqs = new Set();
  /** @type {Map<number, number>} How often a missing number was asked for. */
  #asks = new Map();
  /** Numbers asked for since the last heartbeat. */
  #thisRound = new Set();

  /** @param {number} afterSeq  The reader already has everything up to this number. */
  constructor(afterSeq = 0) {
    this.#afterSeq = afterSeq;
    this.headSeq = afterSeq;
  }

  /**
   * Take a chunk in. `isNew`: it was not there yet. `inOrder`: no higher number came before it.
   * @param {Chunk} chunk
   * @returns {{isNew: boolean, inOrder: boolean}}
   */
  receive(chunk) {
    const key = keyOf(chunk);
    if (this.#keys.has(key) || chunk.seq <= this.#afterSeq) return { isNew: false, inOrder: true };
    this.#keys.add(key);
    this.#earlier.delete(key);
    this.#seqs.add(chunk.seq);
    this.#asks.delete(chunk.seq);
    const inOrder = chunk.seq > (this.chunks.at(-1)?.seq ?? 0);
    let at = this.chunks.length;
    while (at > 0 && this.chunks[at - 1].seq > chunk.seq) at -= 1;
    this.chunks.splice(at, 0, chunk);
    this.headSeq = Math.max(this.headSeq, chunk.seq);
    return { isNew: true, inOrder };
  }

  /**
   * A welcome or heartbeat says how far the session is. A new round of asking begins.
   * @param {number | null} headSeq
   */
  learnHead(headSeq) {
    if (Number.isSafeInteger(headSeq)) this.headSeq = Math.max(this.headSeq, headSeq);
    this.#thisRound.clear();
  }

  /**
   * A welcome or heartbeat names the epoch; in another one the same numbers are other chunks.
   * @param {string | null | undefined} epoch
   * @returns {boolean} Whether numbers have begun again.
   */
  learnEpoch(epoch) {
    if (typeof epoch !== "string" || epoch === this.epoch) return false;
    if (this.epoch !== null) {
      for (const chunk of this.chunks) this.#earlier.set(keyOf(chunk), chunk);
      this.chunks = [];
      this.headSeq = this.#afterSeq = 0;
      for (const known of [this.#keys, this.#seqs, this.#asks, this.#thisRound]) known.clear();
    }
    const isNew = this.epoch !== null;
    this.epoch = epoch;
    return isNew;
  }

  /** @returns {Range[]} Every hole up to `headSeq`, also those that were given up. */
  holes() {
    const holes = [];
    let next = this.#afterSeq + 1;
    for (const { seq } of this.chunks) {
      if (seq > next) holes.push([next, seq - 1]);
      next = Math.max(next, seq + 1);
    }
    if (next <= this.headSeq) holes.push([next, this.headSeq]);
    return holes;
  }

  /**
   * The range to fetch now, or null; a number is asked for once a round, MAX_ASKS times in all.
   * @returns {Range | null}
   */
  wanted() {
    for (const [from, to] of this.holes()) {
      let first = from;
      while (first <= to && !this.#mayAsk(first)) first += 1;
      if (first > to) continue;
      let last = first;
      while (last < to && last - first + 1 < MAX_FETCH && this.#mayAsk(last + 1)) last += 1;
      for (let seq = first; seq <= last; seq += 1) {
        this.#asks.set(seq, (this.#asks.get(seq) ?? 0) + 1);
        this.#thisRound.add(seq);
      }
      return [first, last];
    }
    return null;
  }

  /** @returns {number[]} Numbers asked for so often, in vain, that they are taken to be lost. */
  lost() {
    const tired = ([seq, asks]) => asks >= MAX_ASKS && !this.#thisRound.has(seq);
    return [...this.#asks].filter(tired).map(([seq]) => seq).sort((a, b) => a - b);
  }

  /** Everything up to here has come: where a new connection goes on. What was given up has not. */
  get resumeSeq() {
    let seq = this.#afterSeq;
    while (this.#seqs.has(seq + 1)) seq += 1;
    return seq;
  }

  /** The text as far as it has come, holes left out. */
  text() {
    return [...this.#earlier.values(), ...this.chunks].map((chunk) => chunk.text).join("");
  }

  #mayAsk(seq) {
    return !this.#thisRound.has(seq) && (this.#asks.get(seq) ?? 0) < MAX_ASKS;
  }
}

/** @param {Chunk} chunk  What it is, whatever its number. */
function keyOf(chunk) {
  return JSON.stringify([chunk.message_id, chunk.index]);
}

/**
 * How long to wait before connection number `failures` + 1 in a row: exponential, capped, and
 * between half and the whole of that by chance, so that clients do not come back all at once.
 * @param {number} failures  Connections in a row that ended before their welcome.
 * @param {{firstDelayMs: number, maxDelayMs: number}} limits
 * @param {() => number} random  0 to 1.
 */
export function backoffMs(failures, { firstDelayMs, maxDelayMs }, random = Math.random) {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** failures) * (0.5 + random() / 2);
}

const DEFAULTS = {
  /** Fetch what is missing. Without, a hole stays. */
  repair: true,
  afterSeq: 0,
  firstDelayMs: 250,
  maxDelayMs: 10_000,
  /** Connections in a row that end before their welcome; then the client gives up. */
  maxFailures: 10,
  /** Nodes send heartbeats, so a connection that is silent for longer is dead. */
  silenceMs: 15_000,
  /** @type {(url: string) => WebSocket} */
  connect: (url) => new WebSocket(url),
  random: Math.random,
  now: () => performance.now(),
  after: (delayMs, then) => setTimeout(then, delayMs),
  cancel: (timer) => clearTimeout(timer),
};

/**
 * One session's connection, kept. Events, each a CustomEvent whose `detail` has `at`, in ms:
 *
 * | event | detail | when |
 * |---|---|---|
 * | `state` | `{state, delayMs?, code?}` | connecting, open, joined, waiting, stopped, failed |
 * | `receipt` | a Receipt | a chunk came, be it new or not |
 * | `history` | `{count}` | a history frame was read |
 * | `welcome` | the frame | the join is complete |
 * | `heartbeat` | the frame | |
 * | `fetch` | `{from, to}` | a hole was asked for |
 * | `lost` | `{seqs}` | numbers were asked for in vain; they may still come |
 * | `problem` | `{code, reason}` | an error frame, or one that could not be read |
 * | `change` | `{}` | after each of these: look at `transcript` |
 */
export class ChatClient extends EventTarget {
  /** "new" until `start`, then as the event `state` says. */
  state = "new";
  /** @type {Transcript} */
  transcript;
  #url;
  #options;
  #repair;
  /** @type {WebSocket | null} */
  #socket = null;
  #timer;
  #watchdog;
  #failures = 0;
  #hasHistory = false;
  #fetchesWaiting = 0;
  #toldLost = new Set();

  /**
   * @param {string} url  Of the node's `/ws/SESSION`, with its query but for `after_seq`.
   * @param {Partial<typeof DEFAULTS>} options
   */
  constructor(url, options = {}) {
    super();
    this.#url = url;
    this.#options = { ...DEFAULTS, ...options };
    this.#repair = this.#options.repair;
    this.transcript = new Transcript(this.#options.afterSeq);
  }

  /** Connect, and stay connected until `stop`. */
  start() {
    if (this.state === "new" || this.state === "stopped" || this.state === "failed") {
      this.#failures = 0;
      this.#connect();
    }
  }

  /** Disconnect for good; `start` would resume. */
  stop() {
    this.#options.cancel(this.#timer);
    this.#leave(1000);
    this.#enter("stopped");
  }

  /** Whether holes are fetched; switched on, those there are at once. */
  get repair() {
    return this.#repair;
  }

  set repair(on) {
    this.#repair = on;
    this.#fetch();
  }

  #connect() {
    const url = new URL(this.#url);
    const { resumeSeq, epoch } = this.transcript;
    if (resumeSeq > 0) url.searchParams.set("after_seq", String(resumeSeq));
    if (resumeSeq > 0 && epoch !== null) url.searchParams.set("epoch", epoch);
    this.#hasHistory = false;
    this.#fetchesWaiting = 0;
    this.#enter("connecting");
    const socket = this.#options.connect(url.href);
    this.#socket = socket;
    this.#watch();
    socket.onopen = () => this.#enter("open");
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code }) => this.#closed(code);
  }

  /** Forget the socket before it closes: a dead one may take minutes to say so. */
  #leave(code) {
    this.#options.cancel(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #closed(code) {
    this.#failures = this.state === "joined" ? 0 : this.#failures + 1;
    this.#leave();
    if (OUR_FAULT.has(code) || this.#failures >= this.#options.maxFailures) {
      this.#enter("failed", { code });
      return;
    }
    const delayMs = backoffMs(this.#failures, this.#options, this.#options.random);
    this.#enter("waiting", { delayMs, code });
    this.#timer = this.#options.after(delayMs, () => this.#connect());
  }

  /** Begin to wait for the next frame anew. */
  #watch() {
    this.#options.cancel(this.#watchdog);
    this.#watchdog = this.#options.after(this.#options.silenceMs, () => this.#closed(1006));
  }

  #take(data) {
    this.#watch();
    const frame = parsed(data);
    if (frame?.type === "chunk") this.#receive(frame, "live");
    else if (frame?.type === "history") this.#readHistory(frame.messages);
    else if (frame?.type === "welcome") this.#welcome(frame);
    else if (frame?.type === "heartbeat") this.#heartbeat(frame);
    else if (frame?.type === "error") this.#problem(frame);
    else if (!frame) this.#tell("problem", { code: "unreadable", reason: "no JSON object" });
    this.#fetch();
    this.#tell("change");
  }

  /** The first history frame of a connection is the join's; those after it answer fetches. */
  #readHistory(chunks) {
    const via = this.#hasHistory ? "fetch" : "history";
    if (this.#hasHistory) this.#fetchesWaiting = Math.max(0, this.#fetchesWaiting - 1);
    this.#hasHistory = true;
    for (const chunk of chunks) this.#receive(chunk, via);
    this.#tell("history", { count: chunks.length });
  }

  #receive(chunk, via) {
    this.#tell("receipt", { chunk, via, ...this.transcript.receive(chunk) });
  }

  #welcome(frame) {
    this.#failures = 0;
    this.#learn(frame);
    this.#tell("welcome", frame);
    this.#enter("joined");
  }

  #heartbeat(frame) {
    this.#learn(frame);
    this.#tell("heartbeat", frame);
    const news = this.transcript.lost().filter((seq) => !this.#toldLost.has(seq));
    for (const seq of news) this.#toldLost.add(seq);
    if (news.length > 0) this.#tell("lost", { seqs: news });
  }

  /** The epoch first: the head is of it. */
  #learn(frame) {
    if (this.transcript.learnEpoch(frame.epoch)) this.#toldLost.clear();
    this.transcript.learnHead(frame.head_seq);
  }

  #problem(frame) {
    if (frame.code === "fetch_failed") this.#fetchesWaiting = Math.max(0, this.#fetchesWaiting - 1);
    this.#tell("problem", { code: frame.code, reason: frame.reason });
  }

  /** Before its history has come a client cannot tell a hole from what is on its way. */
  #fetch() {
    if (!this.#repair || !this.#hasHistory || !this.#socket) return;
    while (this.#fetchesWaiting < MAX_FETCHES_WAITING) {
      const range = this.transcript.wanted();
      if (!range) return;
      const [from, to] = range;
      this.#fetchesWaiting += 1;
      this.#socket.send(JSON.stringify({ type: "fetch", from_seq: from, to_seq: to }));
      this.#tell("fetch", { from, to });
    }
  }

  #enter(state, more = {}) {
    this.state = state;
    this.#tell("state", { state, ...more });
  }

  #tell(name, detail = {}) {
    const at = this.#options.now();
    this.dispatchEvent(new CustomEvent(name, { detail: { at, ...detail } }));
  }
}

/** The object in a text frame; null for anything else. */
function parsed(data) {
  try {
    const frame = typeof data === "string" ? JSON.parse(data) : null;
    return typeof frame === "object" ? frame : null;
  } catch {
    return null;
  }
}
