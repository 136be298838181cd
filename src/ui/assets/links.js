// The miners in a circle, and the lines between them: cut, mended, and lit while a block passes.

import { element, hueOf, isStill } from "./page.js";

const SVG = "http://www.w3.org/2000/svg", RADIUS = 100, LIT_MILLISECONDS = 900;

let svg = null, places = [];

/** Makes a part of the drawing. */
function draw(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

/** Where each miner stands that is there: in a circle, the first above. */
function placesOf(present) {
  const places = [];
  present.forEach((place, index) => {
    const angle = (index / present.length) * 2 * Math.PI - Math.PI / 2;
    places[place] = [Math.cos(angle) * RADIUS, Math.sin(angle) * RADIUS];
  });
  return places;
}

/** The pairs with a line, and whether it is cut. */
function links(state) {
  const pairs = new Map();
  const own = (place) => state.class.find((member) => member.place === place)?.name ?? null;
  const note = (one, other, isCut) => {
    const key = one < other ? `${one} ${other}` : `${other} ${one}`;
    pairs.set(key, { one: Math.min(one, other), other: Math.max(one, other), isCut: isCut || (pairs.get(key)?.isCut ?? false) });
  };
  state.miners.forEach((miner, place) => {
    for (const other of miner.neighbours) note(place, other, false);
    for (const other of miner.bans) note(place, other, true);
  });
  for (const [one, other] of state.cuts) {
    const [a, b] = [state.member.get(one)?.place, state.member.get(other)?.place];
    if (a != null && b != null) note(a, b, true);
  }
  const isThere = ({ one, other }) => state.present.includes(one) && state.present.includes(other);
  return [...pairs.values()].filter(isThere).map((pair) => ({ ...pair, names: [own(pair.one), own(pair.other)] }));
}

/** Draws again where something changed. `toggle` cuts or mends the line between two miners. */
export function drawLinks(where, state, toggle) {
  svg = where;
  const lines = links(state), looks = state.miners.map((_, place) => [state.nameOf(place), state.stateOf(place), state.miners[place].head]);
  const key = JSON.stringify([lines, looks]);
  if (svg.dataset.key === key) return;
  svg.dataset.key = key;
  places = placesOf(state.present);
  const fresh = document.createDocumentFragment();
  for (const { one, other, isCut, names } of lines) {
    const [[x1, y1], [x2, y2]] = [places[one], places[other]];
    draw("line", { x1, y1, x2, y2, class: isCut ? "link-line cut" : "link-line" }, fresh);
    if (!toggle || !names[0] || !names[1]) continue;
    const hit = draw("line", { x1, y1, x2, y2, class: "hit" }, fresh);
    draw("title", {}, hit).textContent = `${isCut ? "Mend" : "Cut"} the line between ${names[0]} and ${names[1]}`;
    hit.addEventListener("click", () => toggle(...names));
  }
  state.present.forEach((place) => {
    const miner = state.miners[place];
    const [x, y] = places[place], kind = state.stateOf(place);
    const hue = miner.head ? hueOf(miner.head) : 0;
    const circle = draw("circle", { cx: x, cy: y, r: 13, class: `miner ${kind}`, "data-place": place }, fresh);
    circle.style.setProperty("--hue", hue);
    draw("text", { x, y: y + (y > 5 ? 26 : -19) }, fresh).textContent = state.nameOf(place).slice(0, 16);
  });
  draw("g", { id: "lights" }, fresh);
  svg.replaceChildren(fresh);
}

/** Lets a light go along the line from one miner to another. */
export function flash(from, to, duration = LIT_MILLISECONDS) {
  const lights = element("lights");
  if (!lights || !places[from] || !places[to]) return;
  const [[x1, y1], [x2, y2]] = [places[from], places[to]];
  const line = draw("line", { x1, y1, x2, y2, class: "lit" }, lights), dot = draw("circle", { r: 5, cx: x1, cy: y1, class: "dot-lit" }, lights);
  if (isStill()) {
    setTimeout(() => { line.remove(); dot.remove(); }, duration);
    return;
  }
  line.animate([{ opacity: 1 }, { opacity: 0 }], { duration, easing: "ease-in" });
  dot.animate([{ transform: "none" }, { transform: `translate(${x2 - x1}px, ${y2 - y1}px)` }], { duration, easing: "linear" }).onfinish = () => {
    line.remove();
    dot.remove();
  };
}

let run = 0;

/** Plays the travel of a block again, so many times slower. */
export function replay(state, arrivals, slower, clock) {
  const mine = ++run, start = arrivals[0].at, end = arrivals.at(-1).at;
  for (const circle of svg.querySelectorAll(".reached")) circle.classList.remove("reached");
  const shownAt = (at) => ((at - start) / 1000) * slower;
  const reach = (place) => svg.querySelector(`[data-place="${place}"]`)?.classList.add("reached");
  for (const travel of arrivals) {
    const sender = arrivals.find((other) => other.to === travel.from);
    const from = sender ? Math.max(0, shownAt(sender.at)) : 0, until = Math.max(from, shownAt(travel.at));
    if (travel.from !== null) setTimeout(() => mine === run && flash(travel.from, travel.to, Math.max(60, until - from)), from);
    setTimeout(() => mine === run && reach(travel.to), until);
  }
  const began = performance.now(), all = shownAt(end);
  const tick = (now) => {
    if (mine !== run) return;
    const passed = Math.min(all, Math.max(0, now - began));
    clock.textContent = `Block ${arrivals[0].index}: ${(passed / slower).toFixed(1)} of ${((end - start) / 1000).toFixed(1)} ms, ×${slower} slower`;
    if (passed < all) requestAnimationFrame(tick);
    else setTimeout(() => mine === run && svg.querySelectorAll(".reached").forEach((circle) => circle.classList.remove("reached")), 1500);
  };
  requestAnimationFrame(tick);
}
