// The page of `maia report`: unpacks the columns of its videos, shows them in a windowed table, opens their curves.
// Text of others is only ever set as textContent. Nothing is requested.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const ROW = 52; // pixels, as --row in page.css
  const SPARE = 8; // rows that are rendered above and below the visible ones
  const PRINTED = 100; // rows of the table on paper
  const HOUR = 3600;
  const byId = (id) => document.getElementById(id);

  // ---- words and figures

  const make = (tag, classes, text) => {
    const node = document.createElement(tag);
    if (classes) node.className = classes;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);
  const number = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const whole = (value) => (known(value) ? number.format(value) : "–");
  const rate = (value) => (Math.abs(value) < 100 ? compact(value) : whole(value));
  const compact = (value) => {
    if (!known(value)) return "–";
    const size = Math.abs(value);
    for (const [unit, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
      if (size >= unit * 0.9995) {
        const scaled = value / unit;
        return (Math.abs(scaled) >= 99.95 ? scaled.toFixed(0) : scaled.toFixed(1)) + letter;
      }
    }
    return size >= 9.95 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
  };
  const span = (seconds) => {
    let rest = Math.max(0, Math.floor(seconds));
    const units = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
    const at = units.findIndex(([unit]) => rest >= unit);
    if (at < 0) return "0s";
    const [unit, name] = units[at];
    const first = `${Math.floor(rest / unit)}${name}`;
    rest %= unit;
    const next = units[at + 1];
    if (!next || next[1] === "s" || rest < next[0]) return first;
    return `${first} ${Math.floor(rest / next[0])}${next[1]}`;
  };

  const head = JSON.parse(byId("head").textContent);
  let zone = head.time_zone;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch {
    zone = "UTC"; // a name that this browser does not know; each time that the script shows names its zone
  }
  const generated = Date.parse(head.generated_at) / 1000;
  const stamp = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
    hourCycle: "h23",
  });
  const when = (seconds) => (known(seconds) ? stamp.format(seconds * 1000).replace(",", "") : "–");

  // ---- theme

  const theme = byId("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const redraws = new Set();
  const named = () => {
    theme.textContent = isDark() ? "Light theme" : "Dark theme";
    for (const redraw of redraws) redraw();
  };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("maia-theme", root.dataset.theme);
    } catch {
      // it holds until the page is closed
    }
    named();
  });
  dark.addEventListener("change", named);
  named();
  theme.hidden = false;
  const probe = document.body.appendChild(make("span", "hidden-text"));
  probe.setAttribute("aria-hidden", "true");
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };

  // ---- the age of the page, which only the reader's clock knows

  const age = () => {
    const passed = Date.now() / 1000 - generated;
    if (passed < 120) return; // also where the schedule clock is ahead
    byId("page-age").textContent = `It is ${span(passed)} old.`;
    const state = byId("updated-state");
    if (Date.parse(head.promised_by) < Date.now() && state.classList.contains("ok")) {
      state.className = "state warn";
      state.textContent = "This page is old";
    }
  };
  age();
  setInterval(age, 60000);

  const usable = () => {
    performance.mark("maia-usable"); // measured by harness/benchmarks
    root.dataset.usable = "";
  };
  if (!head.videos) {
    usable();
    return;
  }

  // ---- the columns; maia/report/payload.py describes them

  const KINDS = ["video", "short", "live"];
  const SLOTS = 24;
  const pause = () => new Promise((go_on) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = go_on; port2.postMessage(0); });
  const bytesOf = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let n = 0; n < binary.length; n++) bytes[n] = binary.charCodeAt(n);
    return bytes;
  };
  // In slices, so that the page answers meanwhile.
  const inflate = async (text, size) => {
    const stream = new DecompressionStream("deflate");
    const fill = async () => {
      const writer = stream.writable.getWriter();
      const slice = 1 << 20; // characters, a multiple of 4
      for (let start = 0; start < text.length; start += slice) {
        await writer.write(bytesOf(text.slice(start, start + slice)));
        await pause();
      }
      await writer.close();
    };
    const filling = fill();
    filling.catch(() => {}); // the reader fails too
    const block = new Uint8Array(size);
    let at = 0;
    for (const reader = stream.readable.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      block.set(value, at);
      at += value.length;
    }
    await filling;
    if (at !== size) throw new Error(`${at} bytes instead of ${size}`);
    return block;
  };
  const read = async () => {
    const { bytes, columns: about } = head.block;
    const text = byId("block");
    const block = await inflate(text.textContent, bytes);
    text.remove(); // its memory is free
    const codes = {};
    const values = {};
    const part = (name) => block.subarray(about[name].offset, about[name].offset + about[name].length);
    // the numbers of a column; NaN stands for null
    const decode = (name) => {
      if (codes[name]) return codes[name];
      const { count: size, nullable, signed, delta, minus } = about[name];
      const data = part(name);
      const found = new Float64Array(size);
      const base = minus ? decode(minus) : null;
      let at = 0;
      let last = 0;
      for (let row = 0; row < size; row++) {
        let byte = data[at++];
        let code = byte & 127;
        for (let factor = 128; byte > 127; factor *= 128) {
          byte = data[at++];
          code += (byte & 127) * factor;
        }
        if (nullable && --code < 0) {
          found[row] = NaN;
          continue;
        }
        if (signed) code = code % 2 ? -(code + 1) / 2 : code / 2;
        if (delta) code = last += code;
        if (base) code += base[row] || 0;
        found[row] = code;
      }
      codes[name] = found;
      return found;
    };
    const numbers = (name) => {
      if (values[name]) return values[name];
      const { log, scale } = about[name];
      let found = decode(name);
      if (log) found = found.map((code) => Math.sign(code) * Math.expm1(Math.abs(code) / log));
      else if (scale) found = found.map((code) => code / scale);
      values[name] = found;
      return found;
    };
    const moments = (name) => {
      const key = `${name} at`;
      values[key] ??= numbers(name).map((minutes) => generated - minutes * 60);
      return values[key];
    };
    const reader = new TextDecoder();
    const texts = (name) => {
      const data = part(name);
      const ends = new Uint32Array(about[name].count);
      for (let row = 0, at = -1; row < ends.length; row++) ends[row] = at = data.indexOf(10, at + 1);
      return (row) => reader.decode(data.subarray(row ? ends[row - 1] + 1 : 0, ends[row]));
    };
    const ids = (name) => {
      if (about[name].coding === "texts") return texts(name);
      const data = part(name);
      return (row) => btoa(String.fromCharCode(...data.subarray(row * 8, row * 8 + 8))).slice(0, 11).replaceAll("+", "-").replaceAll("/", "_");
    };
    const title = texts("title");
    const channelTitle = texts("channel_title");
    const id = ids("id");
    for (const name of ["channel", "kind", "views", "rate_1h", "usual", "score"]) numbers(name);
    await pause();
    for (const name of ["published", "observed", "breakout"]) moments(name);
    for (const name of ["f24", "f24_low", "f24_high", "f7", "f7_low", "f7_high", "spark_from"]) numbers(name);
    await pause();
    const channel = (i) => (known(values.channel[i]) ? channelTitle(values.channel[i]) : "");
    const forecast = (name) => (i) => {
      const expected = values[name][i];
      return known(expected) ? [values[`${name}_low`][i], expected, values[`${name}_high`][i]] : null;
    };
    const day = forecast("f24");
    const week = forecast("f7");
    const lowered = [];
    let alphabet = null;
    let starts = null;
    return {
      count: about.id.count, id, title, channel, day, week,
      kind: (i) => KINDS[values.kind[i]],
      views: values.views, usual: values.usual, score: values.score,
      published: moments("published"), observed: moments("observed"), breakout: moments("breakout"),
      rate: (i, over) => numbers(over)[i],
      times: (i) => (values.usual[i] > 0 && values.rate_1h[i] >= 0 ? values.rate_1h[i] / values.usual[i] : NaN),
      // the next age that has a forecast
      forecast: (i) => (day(i) ? [day(i), "24 h"] : [week(i), "7 d"]),
      expected: (i) => (known(values.f24[i]) ? values.f24[i] : values.f7[i]),
      text: (i) => (lowered[i] ??= `${title(i)}\n${channel(i)}`.toLowerCase()),
      alphabet: () => {
        if (!alphabet) {
          const names = Array.from({ length: about.id.count }, (_, i) => title(i).toLowerCase());
          alphabet = new Uint32Array(names.length);
          Uint32Array.from(names.keys()).sort((a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b)).forEach((i, place) => { alphabet[i] = place; });
        }
        return alphabet;
      },
      // 24 heights from 0 to 7; empty: there is none
      spark: (i) => {
        const heights = [];
        if (!known(values.spark_from[i])) return heights;
        const data = part("spark");
        for (const byte of data.subarray((i * SLOTS) / 2, ((i + 1) * SLOTS) / 2)) heights.push(byte >> 4, byte & 15);
        return heights;
      },
      sparkFrom: (i) => values["observed at"][i] - values.spark_from[i] * 60,
      // null: only the sparkline is known
      curve: (i) => {
        const sizes = decode("curve_points");
        if (i >= sizes.length) return null;
        if (!starts) {
          starts = new Uint32Array(sizes.length);
          for (let n = 1; n < sizes.length; n++) starts[n] = starts[n - 1] + sizes[n - 1];
        }
        const minutes = decode("curve_times");
        const changes = decode("curve_views");
        const times = [];
        const views = [];
        for (let n = 0; n < sizes[i]; n++) {
          const at = starts[i] + n;
          times.push(n ? times[n - 1] + minutes[at] * 60 : generated - minutes[at] * 60);
          views.push((n ? views[n - 1] : 0) + changes[at]);
        }
        return { times, views };
      },
    };
  };

  // ---- the table of risers

  const columns = {
    title: { text: true, first: 1, name: "title" },
    views: { key: (i) => rows.views[i], first: -1, name: "views" },
    rate: { key: (i) => rows.rate(i, byId("period").value), first: -1, name: "views per hour" },
    times: { key: (i) => rows.times(i), first: -1, name: "times its usual" },
    score: { key: (i) => rows.score[i], first: -1, name: "breakout score" },
    next: { key: (i) => rows.expected(i), first: -1, name: "forecast" },
    age: { key: (i) => -rows.published[i], first: 1, name: "age" },
  };
  let rows; // what was unpacked
  let order; // the numbers of the videos that are shown, in their order
  let sort = { by: "rate", way: -1 };
  let active = 0; // the place in `order` that is in the tab order
  let printing = false;
  let shown = 9; // columns
  const drawn = new Map(); // place -> tr
  const frame = byId("rising-window");
  const table = byId("rising-table");
  const body = table.tBodies[0];
  const count = byId("count");
  const filters = byId("filters");

  const path = (classes, shape) => {
    const node = document.createElementNS(SVG, "path");
    if (classes) node.setAttribute("class", classes);
    node.setAttribute("d", shape);
    return node;
  };
  const spark = (values) => {
    const node = document.createElementNS(SVG, "svg");
    node.setAttribute("class", "spark");
    node.setAttribute("viewBox", "0 0 100 28");
    node.setAttribute("preserveAspectRatio", "none");
    node.setAttribute("aria-hidden", "true");
    if (values.length > 1) {
      let shape = "";
      const step = 100 / (values.length - 1);
      for (let n = 0; n < values.length; n++) {
        shape += `${n ? "L" : "M"}${(n * step).toFixed(1)} ${(26.5 - (values[n] / 7) * 25).toFixed(1)}`;
      }
      node.append(path("under", `${shape}L100 28L0 28Z`), path("", shape));
    }
    return node;
  };
  const cell = (name, text, under) => {
    const node = make("td", `c-${name}${name === "trend" ? "" : " number"}`, text);
    if (under) node.append(make("span", "minor", under));
    return node;
  };

  const draw = (place) => {
    const i = order[place];
    const row = make("tr");
    row.setAttribute("aria-rowindex", place + 2); // the header is the first row
    row.dataset.place = place;
    const name = make("th");
    name.scope = "row";
    const title = make("button", "title line", rows.title(i) || rows.id(i));
    title.type = "button";
    title.dir = "auto";
    const about = make("span", "line");
    if (known(rows.breakout[i])) about.append(make("span", "mark", "Breakout"));
    const kind = rows.kind(i);
    if (kind !== "video") about.append(make("span", "kind", kind === "short" ? "Short" : "Live"));
    const channel = make("bdi", "", rows.channel(i) || "unknown channel");
    about.append(channel);
    name.append(title, about);
    const [expected, of] = rows.forecast(i);
    const trend = cell("trend");
    trend.append(spark(rows.spark(i)));
    const times = rows.times(i);
    row.append(
      cell("rank", whole(i + 1)),
      name,
      cell("views", compact(rows.views[i])),
      cell("rate", compact(rows.rate(i, byId("period").value))),
      cell("times", known(times) ? `${compact(times)}×` : "–"),
      cell("score", known(rows.score[i]) ? rows.score[i].toFixed(1) : "–"),
      trend,
      cell("next", expected ? compact(expected[1]) : "–", expected && `${compact(expected[0])}–${compact(expected[2])}, ${of}`),
      cell("age", generated >= rows.published[i] ? span(generated - rows.published[i]) : "–"),
    );
    title.tabIndex = place === active ? 0 : -1;
    return row;
  };
  const gap = (number) => {
    const row = make("tr", "gap");
    row.setAttribute("aria-hidden", "true");
    const filler = row.appendChild(make("td"));
    filler.colSpan = shown;
    filler.style.height = `${number * ROW}px`;
    return row;
  };
  const focusedPlace = () => {
    const row = document.activeElement && document.activeElement.closest("#rising-table tbody tr[data-place]");
    return row ? Number(row.dataset.place) : -1;
  };

  // Rows that stay are not moved: the focused one would lose the focus. It stays even where it is scrolled away.
  const render = () => {
    const top = Math.max(0, frame.scrollTop);
    let first = Math.max(0, Math.floor(top / ROW) - SPARE);
    let last = Math.min(order.length, Math.ceil((top + frame.clientHeight) / ROW) + SPARE);
    if (printing) [first, last] = [0, Math.min(order.length, PRINTED)];
    const wanted = [];
    for (let place = first; place < last; place++) wanted.push(place);
    const focused = printing ? -1 : focusedPlace();
    if (focused >= 0 && focused < first) wanted.unshift(focused);
    if (focused >= last) wanted.push(focused);
    if (focused < 0 && order.length && (active < Math.floor(top / ROW) || active >= last - SPARE)) {
      settle(Math.min(order.length - 1, Math.ceil(top / ROW)));
    }
    shown = [...table.tHead.rows[0].cells].filter((header) => header.offsetWidth).length; // in narrow windows some are not
    const keep = new Set(wanted);
    for (const [place, row] of drawn) {
      if (!keep.has(place)) {
        row.remove();
        drawn.delete(place);
      }
    }
    for (const old of body.querySelectorAll(".gap")) old.remove();
    let at = body.firstChild;
    let next = 0;
    const put = (row) => {
      if (row === at) at = at.nextSibling;
      else body.insertBefore(row, at);
    };
    for (const place of wanted) {
      if (place > next && !printing) put(gap(place - next));
      let row = drawn.get(place);
      if (!row) {
        row = draw(place);
        drawn.set(place, row);
      }
      put(row);
      next = place + 1;
    }
    if (next < order.length && !printing) put(gap(order.length - next));
  };
  const settle = (place) => {
    const button = (at) => drawn.get(at) && drawn.get(at).querySelector("button");
    const old = button(active);
    if (old) old.tabIndex = -1;
    active = place;
    const current = button(active);
    if (current) current.tabIndex = 0;
  };
  const go = (place) => {
    if (!order.length) return;
    const target = Math.max(0, Math.min(order.length - 1, place));
    const top = target * ROW;
    const room = frame.clientHeight - table.tHead.offsetHeight;
    if (top < frame.scrollTop) frame.scrollTop = top;
    else if (top + ROW > frame.scrollTop + room) frame.scrollTop = top + ROW - room;
    settle(target);
    render();
    drawn.get(target).querySelector("button").focus({ preventScroll: true });
  };

  const arrange = () => {
    const text = byId("find").value.trim().toLowerCase();
    const kind = byId("kind").value;
    const breaking = byId("breaking").checked;
    const found = new Uint32Array(rows.count);
    let size = 0;
    const words = text ? text.split(/\s+/) : [];
    for (let i = 0; i < rows.count; i++) {
      if (kind && rows.kind(i) !== kind) continue;
      if (breaking && !known(rows.breakout[i])) continue;
      if (words.length && !words.every((word) => rows.text(i).includes(word))) continue;
      found[size++] = i;
    }
    order = found.subarray(0, size);
    const { by, way } = sort;
    if (columns[by].text) {
      const order_of = rows.alphabet();
      order.sort((a, b) => way * (order_of[a] - order_of[b]));
    } else if (by !== "rate" || way > 0 || byId("period").value !== "rate_1h") {
      // the videos are stored by their rate
      const key = new Float64Array(rows.count);
      for (const i of order) {
        const value = columns[by].key(i);
        key[i] = known(value) ? way * value : Infinity; // what is unknown comes last, both ways
      }
      order.sort((a, b) => key[a] - key[b] || a - b);
    }
    for (const row of drawn.values()) row.remove();
    drawn.clear();
    body.replaceChildren();
    active = 0;
    frame.scrollTop = 0;
    table.setAttribute("aria-rowcount", order.length + 1);
    render();
    const all = size === rows.count ? `${whole(size)} videos` : `${whole(size)} of ${whole(rows.count)} videos`;
    const down = (way < 0) === (columns[by].first < 0) ? "" : ", reversed";
    count.textContent = `${all}, by ${columns[by].name}${down}`;
    byId("none").hidden = size > 0;
    frame.hidden = size === 0;
  };
  const show = () => {
    for (const header of table.tHead.rows[0].cells) {
      const by = header.dataset.sort;
      if (!by) continue;
      if (by === sort.by) header.setAttribute("aria-sort", sort.way > 0 ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    }
    byId("by").value = sort.by;
    arrange();
  };

  const start = () => {
    // headers become buttons only now: without this script they could do nothing
    for (const header of table.tHead.rows[0].cells) {
      const by = header.dataset.sort;
      if (!by) continue;
      const button = make("button", "", header.textContent);
      button.type = "button";
      button.title = header.title;
      header.removeAttribute("title");
      header.replaceChildren(button);
      button.addEventListener("click", () => {
        sort = { by, way: sort.by === by ? -sort.way : columns[by].first };
        show();
      });
    }
    byId("by").addEventListener("change", (event) => {
      sort = { by: event.target.value, way: columns[event.target.value].first };
      show();
    });
    // decodes what a search reads before its first letter comes, in slices
    byId("find").addEventListener("focus", async () => {
      for (let i = 0; i < rows.count; i++) {
        rows.text(i);
        if (i % 2000 === 0) await pause();
      }
    }, { once: true });
    let waiting = 0;
    byId("find").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(arrange, 120);
    });
    byId("kind").addEventListener("change", arrange);
    byId("period").addEventListener("change", arrange);
    byId("breaking").addEventListener("change", arrange);
    byId("clear").addEventListener("click", () => {
      filters.reset();
      show();
      byId("find").focus();
    });
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.reset(); // what the browser kept of an earlier look
    filters.hidden = false;

    let asked = false;
    frame.addEventListener("scroll", () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        render();
      });
    }, { passive: true });
    new ResizeObserver(render).observe(frame);
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-place]");
      if (row && !getSelection().toString()) open(Number(row.dataset.place));
    });
    body.addEventListener("focusin", (event) => {
      const row = event.target.closest("tr[data-place]");
      if (row) settle(Number(row.dataset.place));
    });
    body.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const page = Math.max(1, Math.floor(frame.clientHeight / ROW) - 1);
      const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: order.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      go(to);
    });
    const paper = (on) => () => {
      if (printing === on) return;
      printing = on;
      render();
    };
    addEventListener("beforeprint", paper(true));
    addEventListener("afterprint", paper(false));
    show();
  };

  // ---- one video

  const dialog = byId("video");
  let chart = null;
  let opened = -1;
  const fact = (list, name, value, under) => {
    const box = list.appendChild(make("div"));
    box.append(make("dt", "", name));
    const said = box.appendChild(make("dd", "", value));
    if (under) said.append(make("span", "minor", under));
  };
  const open = (place) => {
    opened = place;
    settle(place);
    const i = order[place];
    byId("video-title").textContent = rows.title(i) || rows.id(i);
    byId("video-channel").textContent = rows.channel(i) || "unknown channel";
    byId("video-kind").textContent = { video: "Video", short: "Short", live: "Live or upcoming" }[rows.kind(i)];
    byId("video-link").href = `https://www.youtube.com/watch?v=${encodeURIComponent(rows.id(i))}`;
    const list = byId("video-facts");
    list.replaceChildren();
    fact(list, "Views", whole(rows.views[i]), when(rows.observed[i]));
    fact(list, "Views per hour", rate(rows.rate(i, "rate_1h")), "between the last two readings");
    fact(list, "Over 6 h · over 24 h", `${rate(rows.rate(i, "rate_6h"))} · ${rate(rows.rate(i, "rate_24h"))}`, "views per hour");
    const times = rows.times(i);
    fact(list, "Usual views per hour", rate(rows.usual[i]), known(times) ? `now ${compact(times)} times as fast` : "too little is known");
    fact(list, "Breakout score", known(rows.score[i]) ? rows.score[i].toFixed(1) : "–", known(rows.breakout[i]) ? `breaking out since ${when(rows.breakout[i])}` : "not breaking out");
    fact(list, "Published", when(rows.published[i]), rows.observed[i] >= rows.published[i] ? `${span(rows.observed[i] - rows.published[i])} old at the last reading` : "");
    for (const [name, forecast] of [["Forecast at 24 h", rows.day(i)], ["Forecast at 7 days", rows.week(i)]]) {
      fact(list, name, forecast ? `${whole(forecast[1])} views` : "–", forecast ? `80 %: ${compact(forecast[0])} to ${compact(forecast[2])}` : "too old, or too little is known");
    }
    const curve = rows.curve(i);
    const heights = rows.spark(i);
    if (curve) tabulate([`Time (${zone})`, "Views", "Gained", "Views/h"], curve.times.map((at, n) => {
      const hours = n ? (at - curve.times[n - 1]) / HOUR : 0;
      const gained = n ? curve.views[n] - curve.views[n - 1] : NaN;
      return [when(at), whole(curve.views[n]), whole(gained), hours > 0 ? whole(gained / hours) : "–"];
    }));
    else tabulate([`From (${zone})`, "Gain, 0 to 7"], heights.map((height, slot) => [when(slotAt(i, slot)), String(height)]));
    byId("video-about").textContent = curve
      ? `${whole(curve.times.length)} readings in this page, from ${when(curve.times[0])} to ${when(curve.times.at(-1))} (${zone}).`
      : heights.length
        ? `Gains in views from ${when(rows.sparkFrom(i))} to ${when(rows.observed[i])} (${zone}), in ${SLOTS} equal parts: 7 is the largest gain. Only the fastest videos have their whole curve in this page.`
        : "";
    dialog.showModal();
    dialog.scrollTop = 0;
    byId("video-close").focus();
    plot(i, curve, heights);
    render();
  };
  const slotAt = (i, slot) => rows.sparkFrom(i) + ((rows.observed[i] - rows.sparkFrom(i)) * slot) / SLOTS;
  const tabulate = (names, lines) => {
    const header = make("tr");
    for (const [n, name] of names.entries()) {
      const box = header.appendChild(make("th", n ? "number" : "", name));
      box.scope = "col";
    }
    byId("video-columns").replaceChildren(header);
    byId("video-points").replaceChildren(...lines.reverse().map((line) => {
      const row = make("tr");
      row.append(...line.map((text, n) => {
        const box = make(n ? "td" : "th", n ? "number" : "nowrap", text);
        if (!n) box.scope = "row";
        return box;
      }));
      return row;
    }));
    byId("video-numbers").hidden = lines.length === 0;
  };
  const plot = (i, curve, heights) => {
    const place = byId("plot");
    place.replaceChildren();
    if (chart) chart.destroy();
    chart = null;
    const few = curve ? curve.times.length < 2 : !heights.length;
    place.setAttribute("aria-label", few ? "No curve yet" : curve
      ? `Views over time, from ${compact(curve.views[0])} to ${compact(curve.views.at(-1))}. The table below has the numbers.`
      : "Gains over time. The table below has the numbers.");
    if (few) {
      place.append(make("p", "empty", "Too few readings: no curve yet."));
      return;
    }
    const grid = { stroke: () => colour("--line"), width: 1 };
    const axis = { stroke: () => colour("--soft"), grid, ticks: { ...grid, size: 4 }, font: "12px system-ui, sans-serif" };
    const date = "\n{D} {MMM}";
    const value = (_, views) => (known(views) ? whole(views) : "–");
    const main = { stroke: () => colour("--accent"), fill: () => colour("--accent-wash"), width: 2, value };
    const dashed = { stroke: () => colour("--accent"), dash: [5, 4], width: 1.5, points: { show: false }, value };
    const bound = { stroke: () => colour("--line-strong"), width: 1, dash: [2, 3], points: { show: false }, value };
    const series = [{ label: `Time (${zone})`, value: (_, at) => (known(at) ? when(at) : "–") }];
    let data;
    if (curve) {
      const end = curve.times.at(-1);
      const ahead = [[24, rows.day(i)], [168, rows.week(i)]]
        .map(([hours, forecast]) => [rows.published[i] + hours * HOUR, forecast])
        .filter(([at, forecast]) => forecast && at > end);
      data = [[...curve.times, ...ahead.map(([at]) => at)], [...curve.views, ...ahead.map(() => null)]];
      series.push({ label: "Views", ...main, points: { size: 5 } });
      if (ahead.length) {
        // each line of the forecast begins at the last reading
        for (const which of [1, 0, 2]) data.push([...curve.views.slice(1).map(() => null), curve.views.at(-1), ...ahead.map(([, forecast]) => forecast[which])]);
        series.push({ label: "Expected", ...dashed }, { label: "80 % from", ...bound }, { label: "80 % to", ...bound });
      }
    } else {
      data = [[...heights.map((_, slot) => slotAt(i, slot)), rows.observed[i]], [...heights, heights.at(-1)]];
      series.push({ label: "Gain, 0 to 7", ...main, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) });
    }
    chart = new uPlot({
      width: place.clientWidth, height: 260, series,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { time: true }, y: { range: (_, low, high) => (curve ? [Math.max(0, low - (high - low) * 0.06), high + ((high - low) * 0.08 || 1)] : [0, 7.5]) } },
      axes: [
        { ...axis, space: 70, values: [
          [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
          [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
          [3600, "{HH}:{mm}", date, null, date, null, null, null, 1],
          [60, "{HH}:{mm}", date, null, date, null, null, null, 1],
          [1, "{HH}:{mm}:{ss}", date, null, date, null, null, null, 1],
        ] },
        { ...axis, size: 58, values: (_, splits) => splits.map(compact) },
      ],
    }, data, place);
  };
  new ResizeObserver(() => {
    if (chart) chart.setSize({ width: byId("plot").clientWidth, height: 260 });
  }).observe(byId("plot"));
  redraws.add(() => chart && chart.redraw(false));
  byId("video-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    if (chart) chart.destroy();
    chart = null;
    if (opened >= 0) go(opened);
    opened = -1;
  });
  const step = (by) => () => {
    if (opened + by < 0 || opened + by >= order.length) return;
    const to = opened + by;
    opened = -1;
    dialog.close();
    go(to);
    open(to);
  };
  byId("video-before").addEventListener("click", step(-1));
  byId("video-after").addEventListener("click", step(1));

  // ---- the beginning

  read().then((found) => {
    rows = found;
    start();
    usable();
  }).catch((error) => {
    // the rows that stand in the page stay
    const note = make("p", "note", `The table cannot be unpacked by this browser (${error.message}): these are the first rows only.`);
    note.setAttribute("role", "alert");
    frame.before(note);
  });
})();
