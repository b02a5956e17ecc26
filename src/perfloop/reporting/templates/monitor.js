(() => {
  "use strict";
  const find = (id) => document.getElementById(id);
  const { rate, milliseconds, figures, bytes } = liveCharts;
  const draw = liveCharts.start([
    { name: "rate", words: rate, series: [["rate", "finished", "area"]] },
    { name: "latency", words: milliseconds, log: true, series: [["p99_ms", "p99"], ["p50_ms", "p50"]] },
    { name: "errors", words: rate, series: [["errors", "failed", "area"]], rare: true },
    { name: "cpu", words: figures, series: [["cpu", "processors in use", "area"]] },
    { name: "memory", words: bytes, series: [["rss_bytes", "resident", "area"]] },
  ], { fromNow: true });

  const node = (tag, className, ...inside) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...inside);
    return made;
  };
  const time = (epoch) => new Date(epoch * 1000).toLocaleTimeString([], { hour12: false });

  // Where the time went, as one bar of parts: [class, name, words, share].
  const bar = (parts) => {
    const svg = liveCharts.make(node("i"), "svg", {
      class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img",
      "aria-label": parts.map(([, name, words]) => name + " " + words).join(", "),
    });
    let x = 0;
    for (const [kind, name, words, share] of parts) {
      const rect = liveCharts.make(svg, "rect", { class: "part-" + kind, x, width: share * 100, y: 0, height: 10 });
      liveCharts.make(rect, "title", {}, name + " " + words);
      x += share * 100;
    }
    return svg;
  };
  const swatch = (kind) => {
    const svg = liveCharts.make(node("i"), "svg", { class: "swatch", viewBox: "0 0 10 10", "aria-hidden": "true" });
    liveCharts.make(svg, "rect", { class: "part-" + kind, width: 10, height: 10 });
    return svg;
  };

  const stamp = (words, tone, note) => {
    find("head").className = "verdict " + tone;
    if (find("state").textContent !== words) find("state").textContent = words;
    find("note").textContent = note;
  };

  const whole = (request) => {
    const rows = request.parts.map(([kind, name, words, share]) => node(
      "tr", "", node("th", "", swatch(kind), name), node("td", "", words), node("td", "", Math.round(share * 100) + " %")));
    const calls = request.statements.map(({ sql, calls, total, place }) => node(
      "li", "", node("p", "sql", node("code", "", sql)), node("p", "small", `${calls} in ${total}${place ? " · " + place : ""}`)));
    const ids = [`process ${request.pid}`, `first byte after ${request.first_byte}`];
    if (request.span) ids.unshift(`span ${request.span}`);
    if (request.error) ids.unshift(request.error);
    return node("div", "whole", node("table", "parts", node("tbody", "", ...rows)),
      ...(calls.length ? [node("ul", "statements", ...calls)] : []), node("p", "ids", ids.join(" · ")));
  };
  const entry = (request) => {
    const answer = node("span", request.failed ? "answer bad" : "answer", request.answer);
    const details = node("details", "", node("summary", "",
      node("span", "moment", time(request.at)), node("span", "path", request.request), answer,
      node("span", "took", request.took), bar(request.parts)));
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(whole(request));
    });
    return details;
  };

  // Those that are shown already stay as they are: open, or in the hand of a reader.
  let shown = new Map();
  const showSlowest = (requests) => {
    const list = find("slowest").querySelector(".list"), next = new Map();
    for (const request of requests) next.set(request.key, shown.get(request.key) || entry(request));
    for (const [key, details] of shown) if (!next.has(key)) details.remove();
    [...next.values()].forEach((details, index) => {
      if (list.children[index] !== details) list.insertBefore(details, list.children[index] || null);
    });
    shown = next;
    find("slowest").hidden = !requests.length;
  };

  const cell = (label, words, className, remark) => {
    const made = node("td", className || "", words);
    made.dataset.label = label;
    if (remark) made.append(node("span", "remark", remark));
    return made;
  };
  const showRoutes = (routes, legend) => {
    find("routes").hidden = !routes.length;
    find("routes").querySelector("tbody").replaceChildren(...routes.map((route) => node("tr", "", node("th", "", route.route),
      cell("rate", route.rate), cell("p50", route.p50), cell("p95", route.p95), cell("p99", route.p99),
      cell("errors", route.errors, route.failing ? "outcome bad" : ""),
      cell("where the time goes", route.parts.length ? bar(route.parts) : "–", "words whole"))));
    find("legend").replaceChildren(...legend.map(([kind, name]) => node("li", "", swatch(kind), name)));
  };

  const showResources = (resources) => {
    find("resources").hidden = !resources.length;
    find("resources").querySelector("tbody").replaceChildren(...resources.map((use) => node("tr", "", node("th", "", use.name),
      cell("utilisation", use.used), cell("saturation", use.waiting, "words", use.waiting_is),
      cell("errors", use.failed, use.failing ? "words outcome bad" : "words", use.failed_are),
      cell("throughput", use.moved || "–", use.moved ? "words whole" : "words none"))));
  };

  const showCaches = (caches) => {
    find("caches").hidden = !caches.length;
    find("caches").querySelector("tbody").replaceChildren(...caches.map((cache) => node("tr", cache.level ? "level" : "",
      node("th", "", cache.name, ...(cache.keys ? [node("span", "remark", cache.keys)] : [])),
      cell("found", cache.found, "", cache.found_note), cell("look-ups", cache.lookups, "", cache.lookups_note),
      cell("loads", cache.loads, cache.loads === "" ? "none" : "", cache.loads_note),
      cell("kept", cache.kept, cache.kept === "" ? "none" : "", cache.kept_note),
      cell("saved", cache.saved, "", cache.saved_note),
      cell("verdict", cache.verdict, "words whole outcome " + cache.tone, cache.notes.join(" · ")))));
  };

  // A part's last minutes: bands of its states, and below them the calls that it turned away.
  const timeline = (part) => {
    // Without states there is only what was turned away.
    const top = part.runs.length ? 0 : 20;
    const svg = liveCharts.make(node("i"), "svg", {
      class: part.runs.length ? "timeline" : "timeline low", viewBox: `0 ${top} ${part.seconds} ${30 - top}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `${part.name}: ${part.state}`,
    });
    for (const [at, seconds, state, share] of part.runs) {
      const open = state === "open" || state === "half-open" || state === "recovering", tall = open ? Math.max(share * 20, 3) : 20;
      if (open && tall < 20) liveCharts.make(svg, "rect", { class: "state-closed", x: at, width: seconds, y: 0, height: 20 });
      const rect = liveCharts.make(svg, "rect", { class: "state-" + state, x: at, width: seconds, y: 20 - tall, height: tall });
      liveCharts.make(rect, "title", {}, `${state.replace("-", " ")} for ${seconds} s`);
    }
    const most = Math.max(1, ...part.rejected.map(([, number]) => number));
    for (const [at, number] of part.rejected) {
      const tall = Math.max((number / most) * 8, 1.5);
      liveCharts.make(svg, "rect", { class: "state-rejected", x: at, width: 1, y: 30 - tall, height: tall });
    }
    return svg;
  };
  const showParts = (parts) => {
    find("parts").hidden = !parts.length;
    find("parts").querySelector(".list").replaceChildren(...parts.map((part) => node("div", "part",
      node("p", "name", node("b", "", part.name), " ", node("span", "remark", part.kind)),
      node("p", "outcome " + part.tone, part.state), ...(part.timeline ? [timeline(part)] : []),
      node("p", "told", ...part.told.map(([name, words, bad]) => node("span", bad ? "bad" : "", node("i", "", name), " ", words))))));
  };

  const show = (state) => {
    stamp(state.state, state.tone, state.note);
    find("title").textContent = state.title;
    document.title = `${state.state}: ${state.title} – perfloop`;
    for (const [name, value, note, bad] of state.tiles) {
      const tile = find(name);
      tile.querySelector("b").textContent = value;
      tile.querySelector("dd span").textContent = note;
      tile.classList.toggle("bad", bad);
    }
    find("window").textContent = state.window;
    showRoutes(state.routes, state.legend);
    showSlowest(state.slowest);
    find("targets").hidden = !state.targets.length;
    find("targets").querySelector("ul").replaceChildren(...state.targets.map(({ name, outcome, tone, words, budget, burning }) =>
      node("li", tone, node("b", "", outcome), node("span", "", name), node("span", burning ? "burning" : "budget", budget), node("span", "", words))));
    find("alerts").hidden = !state.alerts.length;
    find("alerts").querySelector("ul").replaceChildren(...state.alerts.map(({ at, state, tone, words }) =>
      node("li", tone, node("b", "", state), node("span", "moment", time(at)), node("span", "", words))));
    showParts(state.parts);
    showCaches(state.caches);
    showResources(state.resources);
    find("memory").hidden = !state.memory;
    if (state.memory) {
      find("memory").className = state.memory.tone;
      find("memory").querySelector("b").textContent = state.memory.verdict;
      find("memory").querySelector("span").textContent = state.memory.words;
    }
    find("events").hidden = !state.events.length;
    find("events").querySelector("ul").replaceChildren(...state.events.map(([at, words]) => node("li", "", `${time(at)} ${words}`)));
    draw(state.points);
  };

  find("lookup").addEventListener("submit", async (event) => {
    event.preventDefault();
    // The whole header may be given, or the span id alone.
    const words = find("span").value.trim().split("-"), span = (words.length > 2 ? words[2] : words[0]).toLowerCase();
    if (!/^[0-9a-f]{1,16}$/.test(span)) {
      find("found").textContent = "A span id has 16 hexadecimal digits.";
      return;
    }
    try {
      const answer = await fetch("requests/" + span.padStart(16, "0"));
      if (!answer.ok) throw new Error(String(answer.status));
      const request = await answer.json();
      if (request === null) {
        find("found").textContent = "Not among the slowest requests of the last five minutes that came with a traceparent header.";
        return;
      }
      const details = entry(request);
      details.open = true;
      find("found").replaceChildren(node("div", "list", details));
    } catch {
      find("found").textContent = "perfloop does not answer.";
    }
  });

  // A service or a monitor that is started anew is found again: the browser tries on its own until it gets an answer
  // that is no stream, as of a proxy, and from then on we do.
  // A mounted page ends its stream after each event: it is lost only when nothing has come for a while.
  const RETRY = 1000, PATIENCE = 3000;
  let lost = null;
  const lose = () => stamp("Connection lost", "warning", "These are the last figures; trying again.");
  const watch = () => {
    const events = new EventSource("events");
    events.onmessage = (event) => {
      clearTimeout(lost);
      lost = null;
      show(JSON.parse(event.data));
    };
    events.onerror = () => {
      lost = lost || setTimeout(lose, PATIENCE);
      if (events.readyState === EventSource.CLOSED) setTimeout(watch, RETRY);
    };
  };
  watch();
})();
