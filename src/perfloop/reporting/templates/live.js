(() => {
  "use strict";
  // As often as it cannot be reached in a row, the run is over.
  const PATIENCE = 4;

  const find = (id) => document.getElementById(id);
  const { rate, milliseconds, figures } = liveCharts;
  const draw = liveCharts.start([
    { name: "rate", words: rate, series: [["planned", "planned"], ["rate", "finished", "area"]] },
    { name: "latency", words: milliseconds, log: true, series: [["p99", "p99"], ["p50", "p50"]] },
    { name: "errors", words: rate, series: [["errors", "failed", "area"]], rare: true },
    { name: "waiting", words: figures, series: [["waiting", "due and waiting", "area"]], rare: true },
  ]);

  const stamp = (words, tone, note) => {
    find("head").className = "verdict " + tone;
    if (find("state").textContent !== words) find("state").textContent = words;
    find("note").textContent = note;
  };

  const show = (state) => {
    stamp(state.state, state.tone, state.note);
    find("title").textContent = state.title;
    document.title = `${state.state}: ${state.title} – perfloop`;
    find("elapsed").textContent = state.elapsed;
    find("left").textContent = state.left;
    const progress = find("progress");
    progress.classList.toggle("open", state.share === null);
    if (state.share === null) {
      progress.removeAttribute("aria-valuenow");
      progress.firstElementChild.style.removeProperty("width");
    } else {
      progress.setAttribute("aria-valuenow", Math.round(state.share * 100));
      progress.firstElementChild.style.width = state.share * 100 + "%";
    }
    find("phase").hidden = !state.phase;
    find("phase").textContent = state.phase;
    for (const [name, value, note] of state.tiles) {
      const tile = find(name);
      tile.querySelector("b").textContent = value;
      tile.querySelector("dd span").textContent = note;
    }
    find("errors").classList.toggle("bad", state.failing);
    draw(state.points);
  };

  let refused = 0, shown = false;
  const events = new EventSource("events");
  const over = (words, note) => { events.close(); stamp(words, "neutral", note); document.title = words + " – perfloop"; };
  events.onmessage = (event) => {
    const state = JSON.parse(event.data);
    refused = 0;
    shown = true;
    show(state);
    if (state.over) events.close();
  };
  events.onerror = () => {
    refused += 1;
    if (events.readyState === EventSource.CLOSED) over("Not shown", "Too many others are watching; try again later.");
    else if (refused < PATIENCE) stamp("Connection lost", "warning", "Trying again.");
    else over("Run over", shown ? "perfloop does not answer any more: these are the last figures it sent." : "perfloop does not answer any more.");
  };
})();
