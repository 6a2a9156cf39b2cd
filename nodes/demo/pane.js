/** One pane: a client that joins in the middle, and what the page shows of it. */

import { ChatClient } from "./chat-client.js";
import { count, plainReading, repairedReading } from "./reading.js";
import { drawTimeline } from "./timeline.js";

/** What people call the orderings; one of a user's own goes by its name alone. */
const TITLES = {
  history_then_subscribe: ["The bug", "Read the history, then subscribe."],
  subscribe_then_history: ["Fix 1: subscribe first", "Subscribe, then read; the client drops what came twice."],
  redis_streams: ["Fix 2: Redis Streams", "One stream, one cursor: nothing to hand over."],
  sequence_gap_fill: ["Fix 3: numbers and gaps", "The buggy order; the client sees the hole and fetches."],
  buffered_merge: ["Fix 4: buffer and merge", "Subscribe into a buffer, read, merge: no work for the client."],
  positioned_merge: ["Fix 5: keep positions", "The same, and the node checks what it has sent, and mends it."],
};

const element = (tag, className, textContent = "") =>
  Object.assign(document.createElement(tag), { className, textContent });
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const chunks = (n) => (n === 1 ? "1 chunk" : `${n} chunks`);

/**
 * plain: shows what comes, as it comes. sort: drops doubles and puts in order. repair: fetches, too.
 * @typedef {"plain" | "sort" | "repair"} Skill
 */

export class Pane {
  /**
   * @param {{name: string, feed: string, client: string}} ordering
   * @param {string} url  Of the session at a node, as ChatClient takes it.
   * @param {() => void} onChange
   */
  constructor(ordering, url, onChange) {
    this.ordering = ordering;
    this.receipts = [];
    this.join = { opened: 0, began: 0, readMs: null, subscribedMs: null, firstLiveMs: null };
    this.welcomedMs = null;
    this.node = "";
    this.root = document.getElementById("pane").content.firstElementChild.cloneNode(true);
    this.root.dataset.ordering = ordering.name;
    this.client = new ChatClient(url, { repair: this.askedSkill === "repair" });
    this.#title();
    this.#listen(onChange);
  }

  /** What the ordering asks of a client. @returns {Skill} */
  get askedSkill() {
    return { takes_all: "plain", deduplicates: "sort", fills_gaps: "repair" }[this.ordering.client];
  }

  /** What this pane's client does. @returns {Skill} */
  get skill() {
    return this.#part("select").value;
  }

  set skill(skill) {
    this.#part("select").value = skill;
    this.client.repair = skill === "repair";
  }

  /** How long the join took, in ms, as far as is known. */
  get latestMs() {
    const { readMs, subscribedMs, firstLiveMs } = this.join;
    return Math.max(readMs ?? 0, subscribedMs ?? 0, firstLiveMs ?? 0, this.welcomedMs ?? 0);
  }

  /**
   * Show it as it is now.
   * @param {{seen: import("./timeline.js").Seen[], whole: string | null, length: number,
   *          horizonMs: number, saveMs: number}} answer  `whole`: the text, once it is known to be
   *   all, and `length` its chunks.
   */
  show(answer) {
    const highest = this.receipts.reduce((most, { chunk }) => Math.max(most, chunk.seq), 0);
    const hasHistory = this.historyMs !== undefined;
    const head = answer.whole !== null ? answer.length : hasHistory ? highest : 0;
    const pieces = this.#pieces(head);
    const counts = count(this.receipts, head);
    this.#showText(pieces);
    this.#showCounts(counts);
    this.#showTimeline(answer, counts);
    this.outcome = this.#outcome(pieces, answer.whole);
    this.#showVerdict(this.outcome, counts, answer.seen);
  }

  /** Fetched chunks stay in `receipts` when the skill is taken away; they are just not shown. */
  #pieces(head) {
    if (this.skill === "plain") return plainReading(this.receipts, head);
    const skilled = this.skill === "repair";
    return repairedReading(this.receipts.filter(({ via }) => skilled || via !== "fetch"), head);
  }

  #part(selector) {
    return this.root.querySelector(selector);
  }

  #title() {
    const { name } = this.ordering;
    const [title, note] = TITLES[name] ?? [name, ""];
    const heading = this.#part("h2");
    heading.id = `title-${name}`;
    heading.textContent = title;
    this.#part(".note").textContent = note;
    this.#part(".note").append(element("code", "", name));
    this.root.setAttribute("aria-labelledby", heading.id);
    this.#part(".text").setAttribute("aria-label", `The answer as ${title} shows it`);
    this.skill = this.askedSkill;
    this.#part("select").setAttribute("aria-label", `Client of ${title}`);
    this.#part(".unfold").setAttribute("aria-label", `How it went: ${title}`);
  }

  #listen(onChange) {
    const { client, join, receipts } = this;
    const on = (name, take) =>
      client.addEventListener(name, ({ detail }) => {
        take(detail);
        onChange();
      });
    on("state", ({ state, at, code }) => {
      if (state === "open") join.opened = at;
      this.trouble = state === "failed" ? `the connection failed (${code})` : undefined;
    });
    on("history", ({ at }) => (this.historyMs ??= at - join.opened));
    on("receipt", (receipt) => {
      receipts.push(receipt);
      if (receipt.via === "live") join.firstLiveMs ??= receipt.at - join.opened;
    });
    on("welcome", ({ at, node, read_ms, subscribed_ms }) => {
      this.welcomedMs ??= at - join.opened;
      this.node = node;
      Object.assign(join, { readMs: read_ms ?? null, subscribedMs: subscribed_ms ?? null });
      join.began = this.#latestBeginning(at);
    });
    on("change", () => {});
    this.#part(".unfold").addEventListener("click", () => {
      const unfolded = this.root.classList.toggle("unfolded");
      this.#part(".unfold").setAttribute("aria-expanded", String(unfolded));
      if (!unfolded) return;
      this.bringMarkIntoView();
      this.root.scrollIntoView();
    });
    this.#part("select").addEventListener("change", () => {
      client.repair = this.skill === "repair";
      onChange();
    });
  }

  /** The join began before we heard of anything in it: the tightest of these bounds. */
  #latestBeginning(welcomedAt) {
    const { opened, readMs, subscribedMs } = this.join;
    const steps = Math.max(readMs ?? 0, subscribedMs ?? 0);
    return Math.min(opened, opened + (this.historyMs ?? Infinity) - (readMs ?? 0), welcomedAt - steps);
  }

  #outcome(pieces, whole) {
    if (this.trouble) return "failed";
    if (this.receipts.length === 0 && whole === null) return "waiting";
    if (pieces.some(({ kind }) => kind === "hole")) return "lossy";
    if (pieces.some(({ kind }) => kind === "double" || kind === "late")) return "garbled";
    const text = pieces.map((piece) => piece.text).join("");
    if (whole === null) return "reading";
    return text === whole ? "whole" : "garbled";
  }

  #showVerdict(outcome, counts, seen) {
    const missing = counts.lost.filter((seq) => this.skill !== "repair" || !counts.fetched.includes(seq));
    const words = new Map(seen.map(({ seq, text }) => [seq, text]));
    const lost = missing.map((seq) => words.get(seq) ?? "").join("").trim();
    const fetched = this.skill === "repair" && counts.fetched.length > 0;
    const [glyph, text] = {
      waiting: ["…", "joins in the middle"],
      reading: ["…", "reading"],
      failed: ["!", this.trouble],
      lossy: ["✕", `${chunks(missing.length)} missing: “${lost}”`],
      garbled: ["≠", `nothing missing, but ${chunks(counts.doubled)} doubled, ${counts.late} late`],
      whole: ["✓", fetched ? `the whole answer; the client fetched ${chunks(counts.fetched.length)}` : "the whole answer"],
    }[outcome];
    this.root.dataset.outcome = outcome;
    this.#part(".verdict .glyph").textContent = glyph;
    this.#part(".verdict .words").textContent = text;
  }

  /** Nothing is touched that has not changed, so that people can scroll and select. */
  #showText(pieces) {
    const shown = JSON.stringify(pieces);
    if (shown === this.shown) return;
    this.shown = shown;
    this.#part(".text").replaceChildren(...pieces.map(shownPiece));
  }

  /** Scroll the text, if it is longer than its box, to where it is marked. */
  bringMarkIntoView() {
    const text = this.#part(".text");
    const mark = text.querySelector("mark");
    if (mark) text.scrollTop = mark.offsetTop - text.clientHeight / 2;
  }

  #showCounts({ lost, doubled, late, fetched }) {
    const { skill } = this;
    const done = (n, what) => (skill !== "plain" && n > 0 ? `${n}, ${what}` : `${n}`);
    const rows = [
      ["received", `${this.receipts.length}`],
      ["not delivered", skill === "repair" && fetched.length ? `${lost.length}, fetched ${fetched.length}` : `${lost.length}`],
      ["doubled", done(doubled, "dropped")],
      ["late", done(late, "put in order")],
    ];
    this.#part(".counts").replaceChildren(
      ...rows.map(([name, value]) => {
        const row = element("div", "");
        row.append(element("dt", "", name), element("dd", "", value));
        return row;
      }),
    );
  }

  #showTimeline(answer, { lost, fetched }) {
    if (this.welcomedMs === null) return;
    drawTimeline(this.#part(".timeline"), this.join, {
      ...answer,
      lost: new Set(lost),
      fetched: new Set(this.skill === "repair" ? fetched : []),
    });
    this.#part(".instants").textContent = this.#instants(lost.length > 0 && answer.saveMs > 0);
  }

  #instants(savedLate) {
    const { readMs, subscribedMs, firstLiveMs } = this.join;
    const live = firstLiveMs === null ? "" : `, first live chunk ${ms(firstLiveMs)}`;
    const client = `Seen here: history ${ms(this.historyMs ?? 0)}, welcome ${ms(this.welcomedMs)}${live}. Node: ${this.node}.`;
    if (readMs === null || subscribedMs === null) return `No window: one cursor. ${client}`;
    const gap = subscribedMs - readMs;
    if (gap > 0) return `Risk window ${ms(gap)}. ${client}`;
    const why = savedLate ? " Lost all the same: published before that, and saved after the read." : "";
    return `No window: subscribed ${ms(-gap)} before it read.${why} ${client}`;
  }
}

/** A piece of text, marked by more than its colour. */
export function shownPiece({ kind, via, from, to, count: n, text }) {
  if (kind === "text") return element("span", via, text);
  const mark = element("mark", kind);
  const glyph = element("span", "glyph", { hole: "✕", double: "×2", late: "↶", mended: "+" }[kind]);
  glyph.setAttribute("aria-hidden", "true");
  const which = n === 1 ? `chunk ${from}` : `chunks ${from} to ${to}`;
  const label = { hole: "missing", double: "came twice", late: "came late", mended: "fetched" }[kind];
  if (kind === "hole") {
    mark.append(glyph, ` ${n} missing`);
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", `hole: ${which} missing`);
  } else {
    mark.append(element("span", "said", `[${which} ${label}:] `), glyph, text);
  }
  mark.title = `${which} ${label}`;
  Object.assign(mark.dataset, { from, to });
  return mark;
}
