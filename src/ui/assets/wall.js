// Draws the wall: lines between the miners, a lane for each one's chain, blocks as they travel.

import { add, follow, look, order } from "./class.js";
import { drawLanes } from "./lanes.js";
import { drawLinks, flash, replay } from "./links.js";
import { element, make } from "./page.js";

const isLocal = "local" in element("wall").dataset;

/** Newest travel that was shown already. */
let shownUpTo = null;
let state = null;

function tell() {
  const answering = state.miners.filter((miner) => miner.answers);
  const blocks = Math.max(0, ...answering.map((miner) => miner.length));
  const one = `${answering.length} miners agree on ${blocks} blocks.`;
  const several = `${answering.length} miners, ${state.heads.length} heads: ` +
    state.heads.map((head) => `${answering.filter((miner) => miner.head === head).length} at block ${state.heightOf(head)} (${head.slice(0, 6)})`).join(", ") + ".";
  const text = state.heads.length > 1 ? several : one;
  if (element("told").textContent !== text) element("told").textContent = text;
}

/** The newest blocks, each with its arrivals, newest first. */
function journeys() {
  const journeys = new Map();
  for (const travel of state.travels) {
    if (!journeys.has(travel.hash)) journeys.set(travel.hash, []);
    const arrivals = journeys.get(travel.hash);
    // A miner that took the block again, after another branch, had it before.
    if (arrivals.every((other) => other.to !== travel.to)) arrivals.push(travel);
  }
  return [...journeys].map(([hash, arrivals]) => ({ hash, arrivals: arrivals.sort((a, b) => (b.from === null) - (a.from === null) || a.at - b.at) }))
    .filter(({ arrivals }) => arrivals.length > 1).slice(-6).reverse();
}

/** On one host a finder may note its block a moment after a neighbour did; more is another clock. */
const CLOCK_MICROS = 50000;

function duration(micros) {
  if (micros < -CLOCK_MICROS) return "clocks differ";
  if (micros > 10e6) return `${Math.round(micros / 1e6)} s`;
  return `${(Math.max(0, micros) / 1000).toFixed(micros < 10000 ? 1 : 0)} ms`;
}

/** A hop in words. */
function hop(travel, arrivals) {
  const sender = arrivals.find((other) => other.to === travel.from);
  const name = state.nameOf(travel.to);
  if (travel.from === null) return `${name} found it`;
  return `${name} after ${duration(travel.at - (sender ?? arrivals[0]).at)} from ${state.nameOf(travel.from)}`;
}

function listJourneys() {
  const list = element("travels");
  const items = journeys();
  const key = JSON.stringify(items.map(({ hash, arrivals }) => [hash, arrivals.length]));
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...items.map(({ hash, arrivals }) => {
    const button = make("button", { type: "button", textContent: `Block ${arrivals[0].index}` });
    button.addEventListener("click", () => replay(state, arrivals, Number(element("slower").value), element("clock")));
    return make("li", {}, button, make("span", { textContent: arrivals.map((travel) => hop(travel, arrivals)).join(" · ") }));
  }));
}

/** What the last reorganisations cost. */
function countReturned() {
  const turns = state.travels.filter((travel) => travel.dropped > 0);
  if (turns.length === 0) return;
  const last = turns[turns.length - 1];
  const deepest = turns.filter((turn) => turn.hash === last.hash);
  const dropped = Math.max(...deepest.map((turn) => turn.dropped)), returned = Math.max(...deepest.map((turn) => turn.returned));
  const text = `Last reorganisation: ${deepest.map((turn) => state.nameOf(turn.to)).join(", ")} dropped ${dropped} ${dropped === 1 ? "block" : "blocks"}; ` +
    `${returned} ${returned === 1 ? "message" : "messages"} came back and ${returned === 1 ? "waits" : "wait"} to be mined again.`;
  if (element("returned").textContent !== text) element("returned").textContent = text;
}

/** Two bars with their numbers; no bar where there is no share. */
function meter(shares) {
  const made = make("div", { className: "shares" });
  for (const [kind, value] of shares) {
    const bar = make("i", { className: kind });
    bar.style.width = `${Math.round((value ?? 0) * 100)}%`;
    made.append(bar, make("span", { textContent: value === null ? "" : `${Math.round(value * 100)} %` }));
  }
  return made;
}

function score() {
  const last = state.chain(state.best, 100).filter((block) => block.index > 0);
  const found = new Map(), people = new Map();
  for (const { by: person, finder } of last) {
    if (person === null) found.set(finder, (found.get(finder) ?? 0) + 1);
    else people.set(person, (people.get(person) ?? 0) + 1);
  }
  const powers = state.miners.map((_, place) => state.power(place)), all = powers.reduce((sum, power) => sum + power, 0);
  const row = (name, length, waiting, blocks, power) => {
    const number = (value) => make("td", { className: "number", textContent: value });
    const share = last.length ? blocks / last.length : 0;
    return make("tr", {}, make("th", { scope: "row", textContent: name }), number(length), number(waiting), number(blocks), make("td", {}, meter([["of-blocks", share], ["of-power", power]])));
  };
  const miners = state.present.map((place) => {
    const miner = state.miners[place];
    return row(state.nameOf(place), miner.length, miner.unprocessed, found.get(place) ?? 0, all ? powers[place] / all : 0);
  });
  const hands = [...people].map(([name, blocks]) => row(`${name}, by browser`, "", "", blocks, null));
  element("score").replaceChildren(...miners, ...hands);
}

/** What came since the last look. */
function light() {
  const newest = state.travels.at(-1)?.number ?? -1;
  if (shownUpTo !== null) {
    for (const travel of state.travels) if (travel.number > shownUpTo && travel.from !== null) flash(travel.from, travel.to);
  }
  shownUpTo = newest;
}

async function toggle(one, other) {
  await order(`${state.isCut(one, other) ? "mend" : "cut"} ${one} ${other}`);
}

function show(fresh) {
  state = fresh;
  tell();
  drawLinks(element("links"), state, isLocal ? toggle : null);
  drawLanes(element("lanes"), state);
  light();
  listJourneys();
  countReturned();
  score();
  if (isLocal) members();
}

// Scissors

const options = (select, names) => {
  if (select.options.length === names.length) return;
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  if (names.includes(chosen)) select.value = chosen;
};

const present = () => state.class.filter((member) => member.state !== "absent");

function dials() {
  const usual = state.pace;
  return [["0", "none at all"], ["usual", `${usual.toLocaleString("en")} (usual)`], [String(usual * 4), `${(usual * 4).toLocaleString("en")} (×4)`], [String(usual * 20), `${(usual * 20).toLocaleString("en")} (×20)`], ["none", "as fast as it can"]];
}

/** Seconds that what is sent to a miner may take. */
const DELAYS = [["0", "fast"], ["0.3", "up to 0.3 s late"], ["1", "up to 1 s late"], ["3", "up to 3 s late"]];

function row(member) {
  const group = make("input", { type: "checkbox", ariaLabel: `${member.name} is in the first group` });
  const dial = make("select", { ariaLabel: `Guesses a second of ${member.name}` }, ...dials().map(([value, textContent]) => make("option", { value, textContent, selected: value === "usual" })));
  dial.addEventListener("change", () => order(`limit ${member.name} ${dial.value}`));
  const delay = make("select", { ariaLabel: `Delay of what is sent to ${member.name}` }, ...DELAYS.map(([value, textContent]) => make("option", { value, textContent })));
  delay.dataset.delay = "";
  delay.addEventListener("change", () => order(`slow ${member.name} ${delay.value}`));
  const button = (what, words) => {
    const made = make("button", { type: "button", textContent: words });
    made.dataset.order = what;
    made.addEventListener("click", () => order(`${made.dataset.order} ${member.name}`));
    return made;
  };
  const made = make("tr", {}, make("td", {}, group), make("th", { scope: "row", textContent: member.name }), make("td", {}), make("td", {}, dial), make("td", {}, delay),
    make("td", {}, make("div", { className: "buttons" }, button("isolate", "Isolate"), button("pause", "Pause"), button("kill", "Kill -9"))));
  made.dataset.name = member.name;
  return made;
}

/** Lets a dial show the limit that its miner has, unless somebody turns it just now. */
function turn(dial, member) {
  const limit = state.miners[member.place]?.limit;
  if (document.activeElement === dial || limit === undefined) return;
  const value = limit === null ? "none" : limit === state.pace ? "usual" : String(limit);
  choose(dial, value, limit?.toLocaleString("en"));
}

/** Chooses a value, which is added if it is none of those that are there. */
function choose(select, value, textContent) {
  if (![...select.options].some((option) => option.value === value)) select.append(make("option", { value, textContent }));
  select.value = value;
}

function members() {
  const body = element("members"), all = present();
  for (const row of [...body.children]) if (!all.some((member) => member.name === row.dataset.name)) row.remove();
  for (const member of all) {
    let line = [...body.children].find((row) => row.dataset.name === member.name);
    if (!line) body.append((line = row(member)));
    const [dial, delay] = line.querySelectorAll("select");
    turn(dial, member);
    if (document.activeElement !== delay) choose(delay, String(member.delay), `up to ${member.delay} s late`);
    if (line.dataset.state === member.state) continue;
    line.dataset.state = member.state;
    line.cells[2].textContent = member.state;
    const [isolate, pause, kill] = line.querySelectorAll("button");
    const isDead = member.state === "dead", isPaused = member.state === "paused";
    isolate.disabled = dial.disabled = delay.disabled = isDead || isPaused;
    pause.disabled = isDead;
    [pause.dataset.order, pause.textContent] = isPaused ? ["resume", "Resume"] : ["pause", "Pause"];
    [kill.dataset.order, kill.textContent] = isDead ? ["start", "Start"] : ["kill", "Kill -9"];
  }
  const names = all.map((member) => member.name);
  options(element("one"), names);
  options(element("other"), names);
  if (element("one").value === element("other").value && names.length > 1) element("other").value = names.find((name) => name !== element("one").value);
  element("newcomer").disabled = !state.class.some((member) => member.state === "absent");
}

if (isLocal) {
  element("cut").addEventListener("click", () => order(`cut ${element("one").value} ${element("other").value}`));
  element("mend").addEventListener("click", () => order(`mend ${element("one").value} ${element("other").value}`));
  element("mend-all").addEventListener("click", () => order("mend"));
  element("reset").addEventListener("click", () => order("reset"));
  element("newcomer").addEventListener("click", () => order(`start ${state.class.find((member) => member.state === "absent").name}`));
  element("split").addEventListener("click", () => {
    const rows = [...element("members").children], ticked = (row) => row.querySelector("input").checked;
    const names = (rows) => rows.map((row) => row.dataset.name).join(" ");
    return order(`split ${names(rows.filter(ticked))} | ${names(rows.filter((row) => !ticked(row)))}`);
  });
  element("many").addEventListener("click", () => order(...Array.from({ length: 20 }, (_, i) => `add "Message ${i + 1} of ${new Date().toLocaleTimeString()}"`)));
}

element("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = element("text").value;
  const done = await add(text).catch(() => false);
  element("added").textContent = done ? `“${text}” waits to be mined.` : "The miner did not take it.";
  if (done) element("text").value = "";
  show(await look());
});

follow(show);
