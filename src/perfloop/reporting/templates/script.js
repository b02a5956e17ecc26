(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";

  const make = (parent, tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  };

  const row = (css, words, value) => {
    const line = document.createElement("p");
    const key = document.createElement("i");
    key.className = css;
    const number = document.createElement("b");
    number.textContent = value;
    line.append(key, number, " " + words);
    return line;
  };

  // Hovering, touching and the arrow keys pick the nearest x of a chart and show every series there.
  const follow = (svg, data, tip) => {
    const xs = JSON.parse(svg.dataset.x);
    const ys = JSON.parse(svg.dataset.y);
    const cursor = svg.querySelector(".cursor");
    const usable = xs.map((_, i) => i).filter((i) => ys.some((y) => y[i] !== null));
    if (!usable.length) return;
    let at = -1;

    const hide = () => { tip.hidden = true; cursor.replaceChildren(); };
    const show = (position) => {
      at = Math.max(0, Math.min(usable.length - 1, position));
      const i = usable[at];
      cursor.replaceChildren();
      make(cursor, "line", { x1: xs[i], x2: xs[i], y1: svg.dataset.top, y2: svg.dataset.floor });
      const title = document.createElement("p");
      title.className = "at";
      title.textContent = data.titles[i];
      const rows = [];
      data.series.forEach((series, s) => {
        if (ys[s][i] === null) return;
        make(cursor, "circle", { cx: xs[i], cy: ys[s][i], r: 4.5, class: "dot " + series.css });
        rows.push(row(series.css, series.name, series.values[i]));
      });
      tip.replaceChildren(title, ...rows);
      tip.hidden = false;
      const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      const x = xs[i] * scale;
      const room = tip.parentElement.clientWidth;
      const left = x + 14 + tip.offsetWidth > room ? x - 14 - tip.offsetWidth : x + 14;
      tip.style.left = Math.max(0, left) + "px";
      tip.style.top = svg.dataset.top * scale + "px";
    };
    const nearest = (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) * svg.viewBox.baseVal.width) / box.width;
      let best = 0;
      usable.forEach((i, position) => {
        if (Math.abs(xs[i] - x) < Math.abs(xs[usable[best]] - x)) best = position;
      });
      return best;
    };

    svg.addEventListener("pointermove", (event) => show(nearest(event)));
    svg.addEventListener("pointerdown", (event) => show(nearest(event)));
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    svg.addEventListener("focus", () => { if (tip.hidden && svg.matches(":focus-visible")) show(at < 0 ? usable.length - 1 : at); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const far = Math.max(1, Math.round(usable.length / 10));
      const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - far, PageDown: at + far, Home: 0, End: usable.length - 1 };
      if (event.key === "Escape") { hide(); return; }
      if (!(event.key in steps)) return;
      event.preventDefault();
      show(steps[event.key]);
    });
  };

  for (const figure of document.querySelectorAll("figure[data-hover]")) {
    const data = JSON.parse(figure.dataset.hover);
    const tip = figure.querySelector(".tip");
    for (const svg of figure.querySelectorAll("svg[data-x]")) follow(svg, data, tip);
  }
})();
