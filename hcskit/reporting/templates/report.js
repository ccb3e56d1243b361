"use strict";
// Plots are drawn when they come near the window, so that a large screen opens at once.
function draw(place) {
  if (!place.dataset.figure) return;
  const item = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  delete place.dataset.figure;
  Bokeh.embed.embed_item(item, place);
}
const places = document.querySelectorAll(".plot");
const margin = 600;
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: `${margin}px` });
const near = (box) => box.width > 0 && box.top < innerHeight + margin;
places.forEach((place) => near(place.getBoundingClientRect()) ? draw(place) : watcher.observe(place));
addEventListener("beforeprint", () => places.forEach(draw));

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
  const wanted = filter.value.trim().toLowerCase();
  document.querySelectorAll("[data-compound]").forEach((part) => {
    const found = part.dataset.compound.toLowerCase().includes(wanted);
    part.hidden = !found || (part.tagName === "TR" && effects.checked && part.classList.contains("quiet"));
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
