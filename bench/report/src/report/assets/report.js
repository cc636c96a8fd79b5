// What a report can't do as plain HTML: zoom and readings of time lines, tables and downloads of the data behind the charts.
"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const button = (text, act, label) => {
    const made = make("button", { type: "button", textContent: text });
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  };
  const parsed = new Map();
  const data = (id) => {
    if (!parsed.has(id)) parsed.set(id, JSON.parse(document.getElementById(id).textContent));
    return parsed.get(id);
  };

  // Light or dark, whatever the system says.
  const theme = button("Light / dark", () => {
    const root = document.documentElement;
    const now = root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.style.colorScheme = now === "dark" ? "light" : "dark";
  });
  theme.className = "theme";
  document.querySelector("header").append(theme);

  // Numbers as the rest of the report writes them.
  const SCALES = {
    "ms": [[1e-3, "µs"], [1, "ms"], [1e3, "s"], [6e4, "min"], [36e5, "h"]],
    "us": [[1, "µs"], [1e3, "ms"], [1e6, "s"], [6e7, "min"]],
    "B": [[1, "B"], [1024, "KiB"], [1024 ** 2, "MiB"], [1024 ** 3, "GiB"], [1024 ** 4, "TiB"]],
    "B/s": [[1, "B/s"], [1024, "KiB/s"], [1024 ** 2, "MiB/s"], [1024 ** 3, "GiB/s"]],
    "bit/s": [[1, "bit/s"], [1e3, "kbit/s"], [1e6, "Mbit/s"], [1e9, "Gbit/s"]],
    "count": [[1, ""], [1e3, "k"], [1e6, "M"], [1e9, "G"]],
    "%": [[1, "%"]],
  };
  const format = (value, unit) => {
    const scale = SCALES[unit] || [[1, unit]];
    const rounded = (size) => Number((Math.abs(value) / size).toPrecision(3));
    const [size, name] = value === 0 ? [1, (scale.find((s) => s[0] === 1) || scale[0])[1]]
      : scale.find((s) => rounded(s[0]) < 1000) || scale[scale.length - 1];
    const text = Number((value / size).toPrecision(3)).toString();
    return name ? `${text} ${name}` : text;
  };

  // Tables and downloads.
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    // A text that a spreadsheet would take for a formula is made a text again.
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const download = (name, table) => {
    const csv = [table.columns, ...table.rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
    const url = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    make("a", { href: url, download: `${name}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
  const LONGEST = 2000;
  const drawn = (table) => {
    const head = make("tr", {}, ...table.columns.map((name) => make("th", { scope: "col", textContent: name })));
    const line = (row) => make("tr", {}, ...row.map((value) =>
      make("td", { className: typeof value === "number" ? "n" : "words", textContent: value ?? "–" })));
    const body = make("tbody", {}, ...table.rows.slice(0, LONGEST).map(line));
    const box = make("div", { className: "table", tabIndex: 0 }, make("table", {}, make("thead", {}, head), body));
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Data");
    if (table.rows.length > LONGEST) box.append(make("p", { className: "how", textContent: `The first ${LONGEST} of ${table.rows.length} rows; the download has all.` }));
    return box;
  };
  const tableOf = (figure) => {
    const found = data(figure.dataset.data);
    if (found.curves) {
      const rows = found.curves.flatMap((c) => c.points.map(([at, value]) => [c.panel, c.curve, c.unit, at, value]));
      const events = found.events.map(([at, text]) => ["events", text, "", at, null]);
      return { columns: ["panel", "curve", "unit", "at_ms", "value"], rows: [...rows, ...events] };
    }
    const wanted = figure.dataset.column;
    if (!wanted) return found;
    const column = found.columns.findIndex((name) => name === wanted || name.startsWith(`${wanted} (`));
    if (column < 0) return found;
    const kept = [0, 1, 2, column];
    const rows = found.rows.filter((row) => row[column] !== null && row[3] === "completed");
    return { columns: kept.map((k) => found.columns[k]), rows: rows.map((row) => kept.map((k) => row[k])) };
  };
  const tools = (name, table) => {
    const box = make("div", { className: "tools" });
    let shown = null;
    const toggle = button("Table", () => {
      if (shown) { shown.remove(); shown = null; } else { shown = drawn(table()); box.after(shown); }
      toggle.setAttribute("aria-expanded", String(Boolean(shown)));
    });
    toggle.setAttribute("aria-expanded", "false");
    box.append(toggle, button("Download CSV", () => download(name, table())));
    return box;
  };
  for (const figure of all("figure[data-data]")) {
    const name = [figure.dataset.data.replace(/-data$/, ""), figure.dataset.column].filter(Boolean).join("-");
    figure.append(tools(name, () => tableOf(figure)));
  }
  for (const table of all("table.dl")) {
    const read = () => {
      const texts = (row) => all("th, td", row).filter((c) => !c.classList.contains("plotcol"))
        .map((c) => (c.dataset.v === undefined ? c.textContent.trim() : Number(c.dataset.v)));
      return { columns: texts(table.tHead.rows[0]), rows: [...table.tBodies[0].rows].map(texts) };
    };
    const box = make("div", { className: "tools" }, button("Download CSV", () => download(table.dataset.name, read())));
    (table.closest(".scroll") || table).after(box);
  }

  // Time lines: every panel shows the same part of the time, which is the x of its viewBox.
  const WIDTH = 100000;
  const NARROWEST = 100;
  const timeline = (figure) => {
    const low = Number(figure.dataset.low), high = Number(figure.dataset.high);
    const plots = all("svg.plot", figure), views = all("svg.z", figure);
    const axis = figure.querySelector("svg.time"), reading = figure.querySelector(".read");
    const nows = all(".now", figure);
    const time = (x) => low + (x / WIDTH) * (high - low);
    const place = (ms) => ((ms - low) / (high - low)) * WIDTH;
    let from = 0, to = WIDTH, at = null, pressed = null;
    const overlay = plots.map((plot) => {
      const cursor = document.createElementNS(NS, "line"), chosen = document.createElementNS(NS, "rect");
      cursor.setAttribute("class", "cursor");
      chosen.setAttribute("class", "chosen");
      for (const [element, names] of [[cursor, ["y1", "y2"]], [chosen, ["y", "height"]]]) {
        element.setAttribute(names[0], "0");
        element.setAttribute(names[1], "100%");
        element.style.display = "none";
        plot.append(element);
      }
      return { cursor, chosen };
    });
    const percent = (x) => `${(((x - from) / (to - from)) * 100).toFixed(3)}%`;
    const ticks = () => {
      axis.replaceChildren();
      const span = time(to) - time(from), raw = span / (axis.clientWidth < 500 ? 3 : 6);
      const power = 10 ** Math.floor(Math.log10(raw));
      const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw);
      const digits = Math.max(0, -Math.floor(Math.log10(step / 1000) + 1e-9));
      for (let ms = Math.ceil(time(from) / step) * step; ms <= time(to); ms += step) {
        const text = document.createElementNS(NS, "text");
        text.setAttribute("x", percent(place(ms)));
        text.setAttribute("y", "12");
        text.textContent = step >= 1000 || digits <= 3 ? `${(ms / 1000).toFixed(Math.min(digits, 3))} s` : `${Number(ms.toPrecision(6))} ms`;
        axis.append(text);
      }
    };
    const show = (a, b) => {
      const width = Math.min(WIDTH, Math.max(NARROWEST, b - a));
      from = Math.max(0, Math.min(WIDTH - width, a + (b - a - width) / 2));
      to = from + width;
      for (const view of views) view.setAttribute("viewBox", `${from} 0 ${width} 1000`);
      figure.dataset.shown = `${time(from)} ${time(to)}`;
      ticks();
      point(at);
    };
    const zoom = (factor, around = at === null ? (from + to) / 2 : at) =>
      show(around - (around - from) * factor, around + (to - around) * factor);
    const valueAt = (curve, ms) => {
      const points = curve.points;
      let a = 0, b = points.length;
      while (a < b) { const m = (a + b) >> 1; if (points[m][0] <= ms) a = m + 1; else b = m; }
      if (a === 0 || (a === points.length && ms > points[a - 1][0])) return null;
      if (curve.steps || a === points.length) return points[a - 1][1];
      const [t0, v0] = points[a - 1], [t1, v1] = points[a];
      return v0 + ((v1 - v0) * (ms - t0)) / (t1 - t0 || 1);
    };
    const point = (x) => {
      at = x;
      for (const { cursor } of overlay) {
        cursor.style.display = x === null ? "none" : "";
        if (x !== null) for (const name of ["x1", "x2"]) cursor.setAttribute(name, percent(x));
      }
      if (x === null) {
        for (const now of nows) now.textContent = "";
        return reading.replaceChildren();
      }
      const ms = time(x), found = data(figure.dataset.data), near = (time(to) - time(from)) / 80;
      const parts = [make("b", { textContent: `${(ms / 1000).toFixed(3)} s` })];
      found.curves.forEach((curve, index) => {
        const value = valueAt(curve, ms);
        nows[index].textContent = value === null ? "–" : format(value, curve.unit);
      });
      const events = found.events.filter(([t]) => Math.abs(t - ms) <= near).sort((a, b) => Math.abs(a[0] - ms) - Math.abs(b[0] - ms));
      for (const [t, text] of events.slice(0, 3)) parts.push(" · ", make("b", { textContent: text }), ` at ${(t / 1000).toFixed(3)} s`);
      reading.replaceChildren(...parts);
    };
    const under = (event) => {
      const box = plots[0].getBoundingClientRect();
      return from + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * (to - from);
    };
    const choose = (a, b) => {
      for (const { chosen } of overlay) {
        chosen.style.display = a === null ? "none" : "";
        if (a === null) continue;
        const [l, r] = [Math.min(a, b), Math.max(a, b)];
        chosen.setAttribute("x", percent(l));
        chosen.setAttribute("width", `${((r - l) / (to - from)) * 100}%`);
      }
    };
    for (const plot of plots) {
      plot.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        pressed = under(event);
        if (event.pointerType === "mouse") plot.setPointerCapture(event.pointerId);
      });
      plot.addEventListener("pointermove", (event) => {
        point(under(event));
        if (pressed !== null && event.pointerType === "mouse") choose(pressed, at);
      });
      plot.addEventListener("pointerup", (event) => {
        const [start, end] = [pressed, under(event)];
        pressed = null;
        choose(null);
        const far = Math.abs(end - start) > (to - from) / 100;
        if (start !== null && far && event.pointerType === "mouse") show(Math.min(start, end), Math.max(start, end));
      });
      plot.addEventListener("pointercancel", () => { pressed = null; choose(null); });
      plot.addEventListener("pointerleave", () => { if (pressed === null) point(null); });
      plot.addEventListener("dblclick", () => show(0, WIDTH));
    }
    figure.addEventListener("keydown", (event) => {
      if (event.target !== figure || event.ctrlKey || event.metaKey || event.altKey) return;
      const move = (share) => {
        const x = Math.max(0, Math.min(WIDTH, (at === null ? (from + to) / 2 : at) + (to - from) * share));
        const beyond = x < from ? x - from : x > to ? x - to : 0;
        at = x;
        show(from + beyond, to + beyond);
      };
      const acts = {
        ArrowLeft: () => move(event.shiftKey ? -0.1 : -0.01), ArrowRight: () => move(event.shiftKey ? 0.1 : 0.01),
        "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": () => show(0, WIDTH), Escape: () => point(null),
      };
      if (!acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    });
    const bar = figure.querySelector(".bar");
    bar.hidden = false;
    bar.append(button("+", () => zoom(0.5), "Zoom in"), button("−", () => zoom(2), "Zoom out"), button("All", () => show(0, WIDTH), "Show all"));
    if (figure.dataset.black) {
      const [a, b] = figure.dataset.black.split(" ").map(Number);
      const margin = Math.max(b - a, (high - low) / 500);
      bar.append(button("Switch-over", () => show(place(a - margin), place(b + margin))));
    }
    ticks();
    point(null);
  };
  // Paper can't be opened: what is closed is printed too.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
  // A closed one has no width yet, and most are never opened.
  for (const details of all("details.tl")) {
    const begin = () => {
      const figure = details.querySelector("figure");
      if (!details.open || figure.dataset.shown) return;
      figure.dataset.shown = "all";
      timeline(figure);
    };
    details.addEventListener("toggle", begin);
    begin();
  }
})();
