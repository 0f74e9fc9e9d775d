
// Shows, hides and sorts. What a label is, it says itself: data-k its class, data-s its score, data-o an object,
// which has a text in the same order, data-m the map of an area; the rest are labels of the image.
"use strict";
(() => {
  const panel = document.querySelector("[data-panel]");
  const gallery = document.querySelector("[data-gallery]");
  const fields = panel.elements;
  const find = panel.querySelector("input[type=search]");
  const said = panel.querySelector(".row > output");
  const boxes = [...panel.querySelectorAll("input[name=class]")];
  const shapes = (item) => {
    const words = [...item.querySelectorAll("svg text")];
    return [...item.querySelectorAll("[data-k]")].map((element) => ({
      element,
      k: element.dataset.k,
      score: "s" in element.dataset ? Number(element.dataset.s) : null,
      isObject: "o" in element.dataset,
      map: element.dataset.m,
      words: "o" in element.dataset ? words.shift() : null,
    }));
  };
  const items = [...gallery.querySelectorAll("[data-item]")].map((element, place) => ({
    element, place,
    name: element.dataset.name,
    words: [element.textContent, ...[...element.querySelectorAll(".chip")].map((chip) => chip.title)]
      .join("\n").toLowerCase(),
    shapes: shapes(element),
    svg: element.querySelector(".open svg"),
    count: element.querySelector("[data-count]"),
  }));

  // How near the score is to one half, from 0 to 1: what a model is least certain of.
  const doubt = (score) => 1 - Math.abs(2 * score - 1);
  const byText = new Intl.Collator("en", { numeric: true });
  const missing = (value) => value === null;
  const least = (values) => (values.length ? Math.min(...values) : null);
  const most = (values) => (values.length ? Math.max(...values) : null);
  const orders = {
    source: () => 0,
    name: (a, b) => byText.compare(a.name, b.name) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
    most: (a, b) => b.objects - a.objects,
    fewest: (a, b) => a.objects - b.objects,
    low: (a, b) => missing(a.low) - missing(b.low) || a.low - b.low,
    high: (a, b) => missing(a.high) - missing(b.high) || b.high - a.high,
    unsure: (a, b) => missing(a.doubt) - missing(b.doubt) || b.doubt - a.doubt,
  };

  const range = () => {
    if (!fields.from) return () => true;
    for (const end of [fields.from, fields.to]) end.nextElementSibling.textContent = Number(end.value).toFixed(2);
    const atEnd = (field, end) => Math.abs(field.value - end) < field.step / 2;  // which a step may just miss
    const from = atEnd(fields.from, fields.from.min) ? -Infinity : Number(fields.from.value);
    const to = atEnd(fields.to, fields.to.max) ? Infinity : Number(fields.to.value);
    const unscored = !fields.unscored || fields.unscored.checked;
    return (shape) => (shape.score === null ? unscored : shape.score >= from && shape.score <= to);
  };

  const counted = ([objects, labels, maps]) => [[objects, "object"], [labels, "image label"], [maps, "semantic map"]]
    .filter(([count]) => count)
    .map(([count, noun]) => `${count} ${noun}${count === 1 ? "" : "s"}`)
    .join(", ") || "0 objects";
  const kinds = (shapes) => {
    const maps = shapes.filter((shape) => shape.map !== undefined);
    const objects = shapes.filter((shape) => shape.isObject).length;
    return [objects, shapes.length - objects - maps.length, new Set(maps.map((shape) => shape.map)).size];
  };

  const apply = () => {
    const chosen = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const fits = range(), word = find.value.trim().toLowerCase();
    gallery.classList.toggle("nameless", !fields.names.checked);
    let images = 0, all = [0, 0, 0];
    for (const item of items) {
      const shown = item.shapes.filter((shape) => {
        const is = chosen.has(shape.k) && fits(shape);
        shape.element.toggleAttribute("hidden", !is);
        shape.words?.toggleAttribute("hidden", !is);
        return is;
      });
      const scores = shown.filter((shape) => shape.score !== null).map((shape) => shape.score);
      const counts = kinds(shown);
      item.objects = counts[0];
      item.low = least(scores);
      item.high = most(scores);
      item.doubt = most(scores.map(doubt));
      item.count.textContent = counted(counts);
      item.isShown = (!word || item.words.includes(word)) && (fields.bare.checked || shown.length > 0);
      item.element.hidden = !item.isShown;
      images += item.isShown ? 1 : 0;
      if (item.isShown) all = all.map((count, k) => count + counts[k]);
    }
    said.textContent = `${images} of ${items.length} images, ${counted(all)} shown`;
    const order = orders[fields.order.value];
    const sorted = [...items].sort((a, b) => order(a, b) || a.place - b.place);
    if (sorted.some((item, place) => gallery.children[place] !== item.element)) {
      gallery.append(...sorted.map((item) => item.element));
    }
  };

  let waiting = 0;
  const soon = () => {  // once for each picture of the screen, however fast a slider moves
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(apply);
  };
  panel.addEventListener("submit", (event) => event.preventDefault());
  panel.addEventListener("change", apply);
  panel.addEventListener("input", soon);
  for (const [mark, checked] of [["[data-all]", true], ["[data-none]", false]]) {
    panel.querySelector(mark)?.addEventListener("click", () => {
      for (const box of boxes) box.checked = checked;
      apply();
    });
  }

  // Letters and lines keep their size on the screen.
  const measured = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const { width, height } = target.viewBox.baseVal;
      const unit = Math.max(width / contentRect.width, height / contentRect.height);
      if (Number.isFinite(unit)) target.style.setProperty("--u", unit);
    }
  });
  for (const item of items) measured.observe(item.svg);

  // One image, as large as there is room for; its drawing is lent to the viewer and given back.
  const viewer = document.querySelector("[data-viewer]");
  const stage = viewer.querySelector("[data-stage]");
  let open = null;
  const giveBack = () => {
    if (open) open.element.querySelector(".open").append(open.svg);
    open = null;
  };
  const cell = (row, text) => {
    const made = document.createElement("td");
    made.textContent = text;
    row.append(made);
    return made;
  };
  const list = (item) => {
    const body = document.createElement("tbody");
    for (const shape of item.shapes) {
      const lines = (shape.element.querySelector("title")?.textContent ?? shape.element.title).split("\n");
      const row = document.createElement("tr");
      const swatch = document.createElement("span");
      swatch.className = `swatch k${shape.k}`;
      cell(row, lines[0]).prepend(swatch);
      cell(row, lines.slice(1).join(" · "));
      row.hidden = shape.element.hasAttribute("hidden");
      body.append(row);
    }
    const table = document.createElement("table");
    table.append(body);
    viewer.querySelector("[data-list]").replaceChildren(table);
  };
  const show = (item) => {
    giveBack();
    open = item;
    stage.append(item.svg);
    viewer.querySelector("[data-title]").textContent = item.name;
    list(item);
    if (!viewer.open) viewer.showModal();
    viewer.scrollTop = 0;
  };
  const step = (by) => {
    const shown = [...gallery.children].filter((element) => !element.hidden);
    const next = shown[shown.indexOf(open.element) + by];
    if (next) show(items.find((item) => item.element === next));
  };
  for (const item of items) item.element.querySelector(".open").addEventListener("click", () => show(item));
  viewer.addEventListener("close", giveBack);
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer || event.target.closest("[data-close]")) viewer.close();
    const by = event.target.closest("[data-step]")?.dataset.step;
    if (by) step(Number(by));
  });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  apply();
})();
