/** The page: controls, one answer at a time, and the panes that join in the middle of it. */

import { ChatClient } from "./chat-client.js";
import { Pane } from "./pane.js";

/** The panes join when so much of the answer has been written. */
const JOIN_AT = 0.4;
/** After the last chunk: two heartbeats and a fetch fit in. */
const SETTLE_MS = 1_200;
const ANSWER_S = 3;
const REFUSED_AFTER_MS = 12_000;
const LATE_MS = 10_000;

const TRIES = {
  bug: { "chunk-rate": 40, work: 60, "save-lag": 0, write: "atomic_lua" },
  producer: { "chunk-rate": 40, work: 60, "save-lag": 200, write: "publish_then_save" },
  calm: { "chunk-rate": 40, work: 0, "save-lag": 0, write: "atomic_lua" },
};
const UNITS = { "chunk-rate": "per second", work: "ms", "save-lag": "ms" };

const byId = (id) => document.getElementById(id);
const number = (id) => Number(byId(id).value);
const socketUrl = (path) => new URL(path, location.href.replace(/^http/, "ws")).href;
const wait = (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs));

const state = {
  setup: null,
  /** @type {Pane[]} */
  panes: [],
  /** @type {ChatClient | null} */
  reference: null,
  /** Chunks as the reference saw them: {seq, at, text}. */
  seen: [],
  joinedAfter: 0,
  length: 0,
  intervalMs: 0,
  saveMs: 0,
  finished: false,
  drawing: false,
};

async function start() {
  for (const id of Object.keys(UNITS)) byId(id).addEventListener("input", showValues);
  showValues();
  if (matchMedia("(max-width: 40rem)").matches) putVerdictsFirst();
  byId("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    play();
  });
  for (const button of document.querySelectorAll("[data-try]")) {
    button.addEventListener("click", () => take(button.dataset.try));
  }
  for (const radio of document.querySelectorAll("[name=client]")) {
    radio.addEventListener("change", chooseClients);
  }
  try {
    state.setup = await (await fetch("/demo/setup")).json();
  } catch {
    return say("This node does not answer.");
  }
  const { choices, no_answers_because: reason } = state.setup;
  if (!choices) return say(`No answer to show: ${reason}.`);
  const writes = choices.writes.filter(({ feed }) => feed !== "stream");
  byId("write").replaceChildren(...writes.map(({ name }) => new Option(name)));
  byId("write").value = "atomic_lua";
  byId("play").disabled = false;
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) await play();
}

/** On a phone: what came of it is on the first screen, all else unfolds. */
function putVerdictsFirst() {
  byId("settings").open = byId("legend").open = false;
  byId("settings").querySelector("summary").after(document.querySelector(".tries"));
  byId("panes").after(byId("reference"));
}

function showValues() {
  for (const [id, unit] of Object.entries(UNITS)) {
    byId(`${id}-shown`).textContent = `${byId(id).value} ${unit}`;
  }
}

function take(name) {
  for (const [id, value] of Object.entries(TRIES[name])) byId(id).value = value;
  showValues();
  play();
}

function chooseClients() {
  const chosen = document.querySelector("[name=client]:checked").value;
  for (const pane of state.panes) {
    pane.skill = chosen === "asked" ? pane.askedSkill : chosen;
  }
  draw();
}

function say(text) {
  byId("status").textContent = text;
}

// --- one play ---

async function play() {
  if (byId("play").disabled) return;
  setPlaying(true);
  try {
    await playOnce();
  } catch (error) {
    say(error.message);
  }
  setPlaying(false);
}

function setPlaying(playing) {
  byId("play").disabled = playing;
  for (const button of document.querySelectorAll("[data-try]")) button.disabled = playing;
  byId("play").textContent = playing ? "Playing…" : "Play again";
  document.body.dataset.playing = String(playing);
}

async function playOnce() {
  clear();
  const promise = await askForAnswer();
  const workMs = number("work");
  const session = new Map(promise.sessions.map((of) => [of.feed, of.session_id]));
  const orderings = state.setup.orderings.filter(({ feed }) => session.has(feed));
  state.panes = orderings.map((ordering) => {
    return new Pane(ordering, joinUrl(promise, session.get(ordering.feed), ordering, workMs), draw);
  });
  chooseClients();
  byId("panes").replaceChildren(...state.panes.map((pane) => pane.root));
  byId("reference").hidden = false;
  say("The AI writes. The others join in the middle.");
  await follow(promise, session, orderings);
  await wait(SETTLE_MS);
  finish();
}

/** Of a session of the promise; with a token where the node wants one. */
function joinUrl(promise, id, ordering, workMs) {
  const query = new URLSearchParams({ ordering: ordering.name, work_ms: workMs, user_id: "demo" });
  if (promise.tokens?.[id]) query.set("token", promise.tokens[id]);
  return socketUrl(`/ws/${id}?${query}`);
}

function clear() {
  for (const client of [state.reference, ...state.panes.map((pane) => pane.client)]) client?.stop();
  Object.assign(state, { panes: [], reference: null, seen: [], joinedAfter: 0, finished: false });
}

/** Order an answer; what the producer promises. Throws an Error for people to read. */
function askForAnswer() {
  const write = byId("write").value;
  const lagMs = number("save-lag");
  state.saveMs = { publish_then_save: lagMs, save_then_publish: -lagMs }[write] ?? 0;
  const streams = state.setup.choices.writes.find(({ feed }) => feed === "stream");
  const rate = number("chunk-rate");
  const [least, most] = state.setup.choices.chunks;
  const order = {
    session_id: state.setup.prefix + crypto.getRandomValues(new Uint32Array(2)).join("-"),
    writes: [write, ...(streams ? [streams.name] : [])],
    chunk_rate: rate,
    chunks: Math.min(most, Math.max(least, 40, rate * ANSWER_S)),
    save_lag_ms: lagMs,
  };
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(socketUrl("/demo/answer"));
    const late = setTimeout(() => socket.close(), REFUSED_AFTER_MS);
    socket.onopen = () => socket.send(JSON.stringify(order));
    socket.onmessage = ({ data }) => {
      const { promise, refused, tokens } = JSON.parse(data);
      if (promise) resolve({ ...promise, tokens });
      else reject(new Error(`The producer refuses: ${refused}.`));
    };
    socket.onclose = () => {
      clearTimeout(late);
      reject(new Error("The node did not take the order."));
    };
  });
}

/** Read from the first chunk on; have the panes join in the middle; until the last chunk. */
async function follow(promise, session, orderings) {
  state.length = promise.chunks;
  state.intervalMs = 1_000 / promise.chunk_rate;
  const joinAfter = Math.ceil(promise.chunks * JOIN_AT);
  const { feed, session_id: id } = promise.sessions[0];
  const able = orderings.filter((ordering) => ordering.feed === feed);
  const best = able.find(({ name }) => name === "buffered_merge") ?? able[0];
  const client = new ChatClient(joinUrl(promise, id, best, 0));
  state.reference = client;
  const streamed = new Promise((resolve) => {
    client.addEventListener("receipt", ({ detail: { chunk, at, isNew } }) => {
      if (isNew) state.seen.push({ seq: chunk.seq, at, text: chunk.text });
      if (!state.joinedAfter && state.seen.length >= joinAfter) joinAll(chunk.seq);
      if (state.seen.length >= promise.chunks) resolve(true);
      draw();
    });
  });
  client.start();
  const lengthMs = promise.lead_ms + (promise.chunks / promise.chunk_rate) * 1_000;
  if (!(await Promise.race([streamed, wait(lengthMs + LATE_MS)]))) {
    throw new Error("The answer did not end in time.");
  }
}

/** In one go: every pane's connection begins at the same moment. */
function joinAll(seq) {
  state.joinedAfter = seq;
  for (const pane of state.panes) pane.client.start();
}

function finish() {
  state.finished = true;
  drawNow();
  for (const pane of state.panes) pane.bringMarkIntoView();
  const lossy = state.panes.filter((pane) => pane.outcome === "lossy").length;
  const most = state.panes.length;
  const late = state.saveMs > 0 ? `, saved ${state.saveMs} ms after publishing` : "";
  const window = `${number("chunk-rate")} chunks a second, ${number("work")} ms of work${late}`;
  say(
    lossy === 0
      ? `Nobody lost anything this time: ${window}. Luck, where there is a window: play again.`
      : `${lossy} of ${most} lost chunks for good. Same answer, same moment: ${window}.`,
  );
}

// --- drawing, once a frame at most ---

function draw() {
  if (state.drawing) return;
  state.drawing = true;
  requestAnimationFrame(drawNow);
}

function drawNow() {
  state.drawing = false;
  const { length, saveMs } = state;
  const seen = published();
  drawReference();
  const whole = state.finished ? state.reference.transcript.text() : null;
  const horizonMs = 1.3 * Math.max(40, ...state.panes.map((pane) => pane.latestMs));
  for (const pane of state.panes) pane.show({ seen, length, whole, horizonMs, saveMs });
}

/**
 * When each chunk was published: the producer keeps an even pace, so the chunk that took the least
 * time to get here tells about all of them.
 */
function published() {
  const due = ({ seq }) => (seq - 1) * state.intervalMs;
  const first = Math.min(...state.seen.map((chunk) => chunk.at - due(chunk)));
  return state.seen.map((chunk) => ({ ...chunk, at: first + due(chunk) }));
}

function drawReference() {
  const { seen, joinedAfter, length } = state;
  const text = (from, to) => seen.slice(from, to).map((chunk) => chunk.text).join("");
  byId("told").textContent = `${seen.length} of ${length} chunks.`;
  if (!joinedAfter) return byId("reference-text").replaceChildren(text(0));
  const here = Object.assign(document.createElement("span"), { className: "joined" });
  here.textContent = "the others join here";
  const at = seen.findIndex(({ seq }) => seq === joinedAfter) + 1;
  return byId("reference-text").replaceChildren(text(0, at), here, text(at));
}

start();
