// Charts of the live pages: figures that hold an svg.chart and a .values line, drawn from columns of points.
const liveCharts = (() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 56, RIGHT = 8, TOP = 10, FLOOR = 24;

  const figures = (value) => {
    const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return value.toLocaleString("en-US", { maximumFractionDigits: digits });
  };
  const rate = (value) => figures(value) + "/s";
  const milliseconds = (value) =>
    value >= 1000 ? figures(value / 1000) + " s" : value >= 1 || value === 0 ? figures(value) + " ms" : figures(value * 1000) + " µs";
  const bytes = (value) => {
    const power = value >= 1e9 ? 3 : value >= 1e6 ? 2 : value >= 1e3 ? 1 : 0;
    return figures(value / 1000 ** power) + [" B", " kB", " MB", " GB"][power];
  };
  const moment = (seconds) => {
    const whole = Math.round(seconds);
    if (whole < 120) return whole + " s";
    const minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
    const two = (number) => String(number).padStart(2, "0");
    return (hours ? hours + ":" + two(minutes) : String(minutes)) + ":" + two(whole % 60);
  };

  const make = (parent, tag, attributes, text) => {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };

  // From zero to a round figure above the greatest; of logarithms from a power of ten to another.
  const axis = (values, log) => {
    const top = Math.max(...values), positive = values.filter((value) => value > 0);
    if (!log || !positive.length) {
      const power = 10 ** Math.floor(Math.log10(top || 1));
      const round = [1, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= top * 0.999) || 1;
      return { at: (value) => value / round, ticks: [0, round / 2, round] };
    }
    const low = Math.floor(Math.log10(Math.min(...positive))), high = Math.max(low + 1, Math.ceil(Math.log10(top)));
    const ticks = [];
    for (let power = low; power <= high; power += Math.ceil((high - low) / 4)) ticks.push(10 ** power);
    return { at: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low), ticks };
  };

  const moments = (length) => {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
    const step = steps.find((each) => length / each <= 5) || Math.ceil(length / 5);
    return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
  };

  // charts: name of the figure, how its values read, its series in the order they are drawn; rare: hidden while zero.
  // fromNow: moments are counted back from the last point, and not on from zero.
  const start = (charts, { fromNow = false } = {}) => {
    let points = null;
    const hovered = {};

    const values = (figure, chart, i) => {
      const parts = chart.series.filter(([key]) => points[key][i] !== null).map(([key, words]) => {
        const part = document.createElement("span"), number = document.createElement("b");
        number.className = "series-" + key;
        number.textContent = chart.words(points[key][i]);
        part.append(number, " " + words);
        return part;
      });
      const when = fromNow ? moment(-points.at[i]) + " ago" : "at " + moment(points.at[i]);
      figure.querySelector(".values").replaceChildren(when, ...parts.flatMap((part) => [" · ", part]));
    };

    const draw = (chart) => {
      const figure = document.getElementById("chart-" + chart.name), svg = figure.querySelector("svg");
      const known = chart.series.flatMap(([key]) => points[key]).filter((value) => value !== null);
      figure.hidden = !known.length || (chart.rare && !known.some((value) => value > 0));
      if (figure.hidden) return;
      const width = svg.clientWidth, height = svg.clientHeight, floor = height - FLOOR;
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.replaceChildren();
      const last = points.at[points.at.length - 1];
      const first = fromNow ? Math.min(points.at[0], last - 1) : 0;
      const length = Math.max(last - first, 1);
      const x = (seconds) => LEFT + ((seconds - first) / length) * (width - LEFT - RIGHT);
      const scale = axis(known, chart.log);
      const y = (value) => floor - scale.at(value) * (floor - TOP);
      for (const tick of scale.ticks) {
        make(svg, "line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) });
        make(svg, "text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, chart.words(tick));
      }
      for (const tick of moments(length)) {
        const left = x(fromNow ? last - tick : tick), end = left > width - 30;
        const words = fromNow ? (tick ? "−" + moment(tick) : "now") : moment(tick);
        make(svg, "text", { x: end ? width : left, y: height - 6, "text-anchor": end ? "end" : "middle" }, words);
      }
      for (const [key, , area] of chart.series) {
        let path = "", closed = "", run = [];
        const finish = () => {
          if (!run.length) return;
          const line = "M" + run.map(([left, up]) => left.toFixed(1) + " " + up.toFixed(1)).join("L");
          path += run.length > 1 ? line : line + "h1";
          closed += `${line}V${floor}H${run[0][0].toFixed(1)}Z`;
          run = [];
        };
        points[key].forEach((value, i) => { if (value === null) finish(); else run.push([x(points.at[i]), y(value)]); });
        finish();
        if (area) make(svg, "path", { class: "area series-" + key, d: closed });
        make(svg, "path", { class: "line series-" + key, d: path });
      }
      const i = Math.min(hovered[chart.name] ?? Infinity, points.at.length - 1);
      if (chart.name in hovered) {
        make(make(svg, "g", { class: "cursor" }), "line", { x1: x(points.at[i]), x2: x(points.at[i]), y1: TOP, y2: floor });
      }
      values(figure, chart, i);
      svg.onpointermove = svg.onpointerdown = (event) => {
        const at = first + ((event.clientX - svg.getBoundingClientRect().left - LEFT) / (width - LEFT - RIGHT)) * length;
        let nearest = 0;
        points.at.forEach((seconds, index) => {
          if (Math.abs(seconds - at) < Math.abs(points.at[nearest] - at)) nearest = index;
        });
        hovered[chart.name] = nearest;
        draw(chart);
      };
      svg.onpointerleave = () => { delete hovered[chart.name]; draw(chart); };
    };
    const redraw = () => { if (points && points.at.length) charts.forEach(draw); };
    new ResizeObserver(redraw).observe(document.getElementById("chart-" + charts[0].name).parentElement);
    return (columns) => { points = columns; redraw(); };
  };

  return { start, make, figures, rate, milliseconds, bytes, moment };
})();
