"use strict";
// Plots are drawn when they come near the window, so that a large screen opens at once. Those of one kind share a figure.
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const night = { "#1f2933": "#e4e9ee", "#6b7785": "#9aa7b4", "#c3cad1": "#4a5561", "#eef0f2": "#252c34", "#cdd3d9": "#48525d", "#e6e9ec": "#333c46", "#dfe4e8": "#333c46" };
function read(id) {
  const text = document.getElementById(id).textContent;
  return JSON.parse(dark ? text.replace(/#[0-9a-f]{6}/g, (colour) => night[colour] ?? colour) : text);
}
function models(part, found = new Map()) {
  if (part !== null && typeof part === "object") {
    if (part.id && part.attributes) found.set(part.id, part.attributes);
    Object.values(part).forEach((inner) => models(inner, found));
  }
  return found;
}
function figure(id) {
  const kind = document.getElementById(id).dataset.kind, own = read(id);
  if (!kind) return own;
  const item = read(kind), known = models(item);
  for (const [source, columns] of Object.entries(own.sources)) {
    const entries = Object.entries(columns).map(([name, values]) => [name, values.map((value) => value ?? { type: "number", value: "nan" })]);
    known.get(source).data = { type: "map", entries };
  }
  for (const [model, changes] of own.changes) Object.assign(known.get(model), changes);
  return item;
}
function draw(place) {
  if (!place.dataset.figure) return;
  const id = place.dataset.figure;
  delete place.dataset.figure;
  Bokeh.embed.embed_item(figure(id), place);
}
const places = document.querySelectorAll(".plot");
const margin = 600;
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: `${margin}px` });
const near = (box) => box.width > 0 && box.top < innerHeight + margin;
places.forEach((place) => near(place.getBoundingClientRect()) ? draw(place) : watcher.observe(place));
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  places.forEach(draw);
});

document.querySelectorAll("table.sortable").forEach((table) => {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.sort;
    const compare = (a, b) => isNaN(value(a)) || isNaN(value(b)) ? value(a).localeCompare(value(b)) : value(a) - value(b);
    body.append(...[...body.rows].sort((a, b) => down ? compare(b, a) : compare(a, b)));
  }));
});

const filter = document.getElementById("filter"), effects = document.getElementById("effects");
function show() {
  const wanted = (filter?.value ?? "").trim().toLowerCase();
  document.querySelectorAll("[data-compound]").forEach((part) => {
    const found = part.dataset.compound.toLowerCase().includes(wanted);
    if (found && wanted && part.closest("details")) part.closest("details").open = true;
    part.hidden = !found || (part.tagName === "TR" && effects?.checked && part.classList.contains("quiet"));
  });
  document.querySelectorAll(".none").forEach((note) => {
    note.hidden = Boolean(note.closest("section").querySelector("[data-compound]:not([hidden])"));
  });
}
filter?.addEventListener("input", show);
effects?.addEventListener("change", show);
if (effects?.checked) show();

const viewer = document.getElementById("viewer");
let shown = null;
function enlarge(button) {
  shown = button;
  const image = button.querySelector("img");
  viewer.querySelector("img").src = image.src;
  viewer.querySelector("img").alt = viewer.querySelector("p").textContent = image.alt;
  if (!viewer.open) viewer.showModal();
}
document.querySelectorAll(".zoom").forEach((button) => button.addEventListener("click", () => enlarge(button)));
viewer.addEventListener("click", () => viewer.close());
viewer.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  const strip = [...shown.closest(".strip").querySelectorAll(".zoom")];
  enlarge(strip[(strip.indexOf(shown) + step + strip.length) % strip.length]);
});

// A link to a compound that is folded away unfolds it.
function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = target && target.closest("details");
  if (fold && !fold.open) { fold.open = true; target.scrollIntoView(); }
}
addEventListener("hashchange", unfold);
unfold();
