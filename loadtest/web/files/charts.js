// Draws the judge's history: two charts in SVG, a line per ordering. No library, nothing fetched
// but our own data. Colours and dashes are those of the figures (analysis/figures/style.py).
(() => {
  "use strict";
  const EVERY_MS = 2000;
  const COLOURS = {
    history_then_subscribe: "#D55E00",
    subscribe_then_history: "#0072B2",
    redis_streams: "#009E73",
    sequence_gap_fill: "#E69F00",
    buffered_merge: "#CC79A7",
  };
  const DARK = { "#0072B2": "#56B4E9", "#000000": "#FFFFFF", "#5F5F5F": "#B4B4B4" };
  const OTHERS = ["#000000", "#56B4E9", "#5F5F5F"];
  const DASHES = {
    publish_then_save: "", save_then_publish: "7 4", atomic_lua: "2 3", atomic_multi: "9 3 2 3",
    stream_append: "",
  };
  const FEW = 120; // points, of which each can have its interval drawn
  const APART_S = 12.5;  // two of the judge's bins, and some
  const BIN_S = 5;
  const BETWEEN_S = 10; // two tests are drawn as far apart as if that much time were between
  const EDGE = { left: 62, right: 14, top: 10, bottom: 28 };
  const SVG = "http://www.w3.org/2000/svg";

  const byId = (id) => document.getElementById(id);
  const hidden = new Set();
  let history = []; // of all tests; `x_s` is where a moment is drawn
  let tests = []; // {title, from_s, to_s}: where each is drawn
  let pointer = null;

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => ("theme" in localStorage ? localStorage.theme === "dark" : dark.matches);

  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // One test after the other, the oldest first, each with its time from 0.
  const layOut = (answer) => {
    const found = [...answer.earlier].reverse().concat(answer).filter((test) => test.document.history.length);
    history = [];
    tests = [];
    let from_s = 0;
    for (const { title, document: { history: moments } } of found) {
      const test = { title, from_s, to_s: from_s + Math.max(...moments.map((moment) => moment.at_s)) + BIN_S / 2 };
      history.push(...moments.map((moment) => ({ ...moment, test, x_s: from_s + moment.at_s })));
      tests.push(test);
      from_s = test.to_s + BETWEEN_S;
    }
  };

  // --- the lines ---

  const series = () => {
    const found = new Map();
    for (const moment of history) {
      const name = `${moment.connect} x ${moment.write}`;
      if (!found.has(name)) found.set(name, { name, connect: moment.connect, write: moment.write, moments: [] });
      found.get(name).moments.push(moment);
    }
    const others = [...new Set([...found.values()].map((line) => line.connect))].filter((name) => !(name in COLOURS));
    for (const line of found.values()) {
      const colour = COLOURS[line.connect] || OTHERS[others.indexOf(line.connect) % OTHERS.length];
      line.colour = (isDark() && DARK[colour]) || colour;
      line.dash = DASHES[line.write] ?? "12 4";
    }
    return [...found.values()];
  };

  // 1, 2 or 5 times a power of ten, so that there are about `count` of them.
  const step = (span, count) => {
    const rough = span / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  };

  const scale = (svg, low, high) => {
    const width = svg.clientWidth, height = svg.clientHeight;
    const from = 0, to = tests.at(-1).to_s;
    return {
      width, height, from, to, low, high,
      x: (at_s) => EDGE.left + ((at_s - from) / (to - from)) * (width - EDGE.left - EDGE.right),
      y: (value) => height - EDGE.bottom - ((value - low) / (high - low)) * (height - EDGE.top - EDGE.bottom),
    };
  };

  const axes = (svg, at, label) => {
    const each = step(at.high - at.low, 5);
    for (let n = Math.ceil(at.low / each); n * each <= at.high + each / 1e6; n += 1) {
      const y = at.y(n * each);
      svg.append(make("line", { x1: EDGE.left, x2: at.width - EDGE.right, y1: y, y2: y, class: n === 0 ? "axis" : "grid" }));
      svg.append(make("text", { x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, label(n * each, each)));
    }
    const seconds = step(at.to - at.from, 8);
    for (const { title, from_s, to_s } of tests) {
      for (let n = 0; n * seconds <= to_s - from_s; n += 1) {
        const x = at.x(from_s + n * seconds);
        svg.append(make("text", { x, y: at.height - 8, "text-anchor": "middle" }, `${Number((n * seconds).toPrecision(6))} s`));
      }
      if (from_s > 0) {
        const x = at.x(from_s - BETWEEN_S / 2);
        svg.append(make("line", { x1: x, x2: x, y1: EDGE.top, y2: at.height - EDGE.bottom, class: "tests" }));
      }
      svg.append(make("text", { x: at.x(from_s) + 4, y: EDGE.top + 10 }, title.split(":")[0]));
    }
  };

  // Moments that have a value, in stretches: while other orderings have their turn, nothing was
  // measured, and a line through that time would say otherwise. What is not finished is no part of a
  // line, which would plunge: losses of the newest connections are known last.
  const stretches = (moments, value) => {
    const found = [];
    for (const moment of moments) {
      const y = value(moment), last = found.at(-1)?.at(-1);
      if (y === null || y === undefined || !moment.finished) continue;
      if (last && last.test === moment.test && moment.at_s - last.at_s <= APART_S) found.at(-1).push(moment);
      else found.push([moment]);
    }
    return found;
  };

  const point = (at, moment, y) => `${at.x(moment.x_s).toFixed(1)},${at.y(y).toFixed(1)}`;

  const path = (at, moments, value) => stretches(moments, value)
    .map((stretch) => `M${stretch.map((moment) => point(at, moment, value(moment))).join("L")}`)
    .join("");

  const band = (at, moments) => stretches(moments, (moment) => moment.loss_rate_high)
    .filter((stretch) => stretch.length > 1)
    .map((stretch) => {
      const above = stretch.map((moment) => point(at, moment, moment.loss_rate_high));
      const below = stretch.map((moment) => point(at, moment, moment.loss_rate_low)).reverse();
      return `M${above.join("L")}L${below.join("L")}Z`;
    })
    .join("");

  const line = (svg, of, drawn, width) => {
    if (drawn) svg.append(make("path", { d: drawn, fill: "none", stroke: of.colour, "stroke-width": width, "stroke-dasharray": of.dash, "stroke-linejoin": "round" }));
  };

  // Each bin of time is a point of its own; what is between is drawn to be followed by eye.
  const dots = (svg, at, of, value) => {
    for (const moment of of.moments) {
      const y = value(moment);
      if (y === null) continue;
      const dot = make("circle", { cx: at.x(moment.x_s), cy: at.y(y), r: 3, fill: of.colour });
      if (!moment.finished) {
        dot.classList.add("open");
        dot.setAttribute("stroke", of.colour);
      }
      svg.append(dot);
    }
  };

  const whiskers = (svg, at, of) => {
    for (const { x_s, finished, loss_rate_low: low, loss_rate_high: high } of of.moments) {
      if (low === null || high === null || !finished) continue;
      const x = at.x(x_s);
      svg.append(make("line", { x1: x, x2: x, y1: at.y(low), y2: at.y(high), stroke: of.colour, "stroke-width": 1.2 }));
    }
  };

  const extent = (lines, values) => {
    const all = lines.flatMap((of) => of.moments.flatMap(values)).filter((value) => value !== null && value !== undefined);
    return all.length ? [Math.min(...all), Math.max(...all)] : [0, 0];
  };

  const drawLoss = (lines) => {
    const svg = byId("loss");
    svg.replaceChildren();
    const [, top] = extent(lines, (moment) => [moment.loss_rate, moment.loss_rate_high]);
    const at = scale(svg, 0, Math.min(1, Math.max(top * 1.05, 0.01)));
    axes(svg, at, (value, each) => `${(value * 100).toFixed(each < 0.01 ? 1 : 0)}%`);
    for (const of of lines) svg.append(make("path", { d: band(at, of.moments), fill: of.colour, opacity: 0.14 }));
    for (const of of lines) line(svg, of, path(at, of.moments, (moment) => moment.loss_rate), 2.2);
    if (history.length <= FEW) for (const of of lines) whiskers(svg, at, of);
    for (const of of lines) dots(svg, at, of, (moment) => moment.loss_rate);
    return at;
  };

  const drawWindow = (lines) => {
    const svg = byId("window");
    svg.replaceChildren();
    const [least, most] = extent(lines, (moment) => [moment.window_ms_p50, moment.window_ms_p95]);
    const room = Math.max((most - least) * 0.06, 0.05);
    const at = scale(svg, Math.min(0, least - room), Math.max(0, most + room));
    axes(svg, at, (value, each) => Number(value.toFixed(Math.max(0, -Math.floor(Math.log10(each))))).toString());
    for (const of of lines) line(svg, of, path(at, of.moments, (moment) => moment.window_ms_p95), 0.9);
    for (const of of lines) line(svg, of, path(at, of.moments, (moment) => moment.window_ms_p50), 2.2);
    for (const of of lines) dots(svg, at, of, (moment) => moment.window_ms_p50);
    return at;
  };

  const drawLegend = (lines) => {
    const legend = byId("legend");
    const names = lines.map((of) => of.name + of.colour).join(";");
    if (legend.dataset.names === names) return; // the focus stays where it is
    legend.dataset.names = names;
    legend.replaceChildren(legend.querySelector("legend"));
    for (const of of lines) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = !hidden.has(of.name);
      box.addEventListener("change", () => {
        if (box.checked) hidden.delete(of.name); else hidden.add(of.name);
        draw();
      });
      const key = make("svg", { viewBox: "0 0 46 14", "aria-hidden": "true" });
      key.append(make("line", { x1: 1, x2: 45, y1: 7, y2: 7, stroke: of.colour, "stroke-width": 2.6, "stroke-dasharray": of.dash }));
      label.append(box, key, of.name);
      legend.append(label);
    }
  };

  // --- reading values off ---

  const percent = (share) => (share === null ? "-" : `${(share * 100).toPrecision(2)}%`);
  const ms = (value) => (value === null ? "-" : `${value.toFixed(2)} ms`);

  const read = (lines, scales) => {
    if (pointer === null) return;
    const x_s = scales[0].from + pointer * (scales[0].to - scales[0].from);
    const away = (moment) => Math.abs(moment.x_s - x_s);
    const words = lines.map((of) => {
      const moment = of.moments.reduce((best, each) => (away(each) < away(best) ? each : best));
      const which = moment.test.title ? `${moment.test.title}, ` : "";
      const open = moment.finished ? "" : ", not finished";
      return `${which}${of.name}, at ${moment.at_s.toFixed(1)} s${open}: loss rate ${percent(moment.loss_rate)}, window p50 ${ms(moment.window_ms_p50)}, p95 ${ms(moment.window_ms_p95)}`;
    });
    byId("reading").textContent = ["The points nearest to it:", ...words].join("\n");
    for (const [place, id] of ["loss", "window"].entries()) {
      const x = scales[place].x(x_s);
      byId(id).append(make("line", { x1: x, x2: x, y1: EDGE.top, y2: scales[place].height - EDGE.bottom, class: "cursor" }));
    }
  };

  const draw = () => {
    document.body.dataset.theme = isDark() ? "dark" : "light";
    byId("empty").hidden = history.length > 0;
    byId("drawn").hidden = history.length === 0;
    if (history.length === 0) return;
    const lines = series();
    drawLegend(lines);
    const visible = lines.filter((of) => !hidden.has(of.name));
    read(visible, [drawLoss(visible), drawWindow(visible)]);
  };

  const ask = async () => {
    if (document.hidden) return;
    try {
      const signal = AbortSignal.timeout(8000);
      const [data, table] = await Promise.all(["data", "table"].map((name) => fetch(`./delivery/${name}`, { signal })));
      if (!data.ok || !table.ok) throw new Error(`HTTP ${data.status}`);
      const answer = await data.json();
      const html = await table.text();
      if (byId("table").innerHTML !== html) byId("table").innerHTML = html;
      // Where the judge cannot be reached, the table says so; what is drawn stays.
      if (answer.document) layOut(answer);
      byId("trouble").hidden = true;
    } catch {
      byId("trouble").textContent = "Locust does not answer; what is below is what it said last.";
      byId("trouble").hidden = false;
    }
    draw();
  };

  for (const id of ["loss", "window"]) {
    byId(id).addEventListener("pointermove", (event) => {
      const box = byId(id).getBoundingClientRect();
      const share = (event.clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right);
      pointer = Math.min(1, Math.max(0, share));
      draw();
    });
  }
  addEventListener("resize", draw);
  dark.addEventListener("change", draw);
  draw();
  (async () => {
    for (;;) { // while the page is open
      await ask();
      await new Promise((done) => setTimeout(done, EVERY_MS));
    }
  })();
})();
