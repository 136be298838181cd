// Keeps a page up to date: asks for it again when something happened, and takes over what
// differs. Tells times in the reader's zone. Everything works without this file, only by hand.

import { chanceInWords, chanceOf } from "./chance.js";
import { follow } from "./live.js";
import { element, isStill } from "./page.js";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long", hourCycle: "h23" });
const zoned = new Intl.DateTimeFormat("en", {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  hourCycle: "h23", timeZoneName: "shortOffset",
});

/** The parts of a date in the reader's zone, by their names. */
const partsOf = (date) => Object.fromEntries(zoned.formatToParts(date).map(({ type, value }) => [type, value]));

/** A date as the box on Find takes it: `2026-09-21 16:13:20 GMT+2`. */
function moment(date) {
  const { year, month, day, hour, minute, second, timeZoneName } = partsOf(date);
  return `${year}-${month}-${day} ${hour}:${minute}:${second} ${timeZoneName}`;
}

/** An age as the server writes it. */
function age(milliseconds) {
  const s = Math.floor(Math.abs(milliseconds) / 1000), m = Math.floor(s / 60), h = Math.floor(s / 3600);
  const words = s < 120 ? `${s} s` : s < 7200 ? `${m} min` : s < 172800 ? `${h} h ${m % 60} min` : `${Math.floor(s / 86400).toLocaleString("en")} days`;
  return milliseconds < 0 ? `in ${words}` : `${words} ago`;
}

/** Writes times in the reader's zone, and ages as of now; the exact time shows on hover. */
function tellTimes(root) {
  for (const time of root.querySelectorAll("time[data-as]")) {
    const date = new Date(time.dateTime);
    const past = Date.now() - date, kind = time.dataset.as;
    const text = kind === "moment" ? moment(date) : kind === "ahead" && past >= 0 ? "due" : age(past);
    if (time.textContent !== text) time.textContent = text;
    if (!time.dataset.utc) {
      time.dataset.utc = time.title;
      time.title = `${exact.format(date)}\n${time.title}`;
    }
  }
}

/** The share of the power that the reader gave the attacker. */
let share = null;

/** Tells the chance of an attacker, with the share that the reader chose. */
function tellChances(root) {
  for (const box of root.querySelectorAll(".chance")) {
    const slider = box.querySelector("input");
    const percent = share ?? Number(slider.value);
    box.querySelector(".share").textContent = `${percent} %`;
    box.querySelector("output").textContent = chanceInWords(chanceOf(percent / 100, Number(box.dataset.blocks)));
    box.querySelector("label").hidden = false;
  }
}

/** A node's id; a form's own property may be its field of that name. */
const idOf = (node) => node.getAttribute?.("id");

/** Makes `old` like `fresh`, touching only what differs, so that focus and scroll stay. */
function morph(old, fresh) {
  if (old.isEqualNode(fresh) || old.matches?.("[data-keep], form")) return;
  for (const { name } of [...old.attributes]) {
    // What the reader opened stays open.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    // So does what the reader folded.
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const known = new Map([...old.children].filter(idOf).map((child) => [idOf(child), child]));
  const wanted = new Set([...fresh.children].map(idOf));
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    while (at && idOf(at) && !wanted.has(idOf(at))) at = drop(at);
    const match = idOf(next) ? known.get(idOf(next)) : at && !idOf(at) && at.nodeName === next.nodeName ? at : null;
    if (!match) {
      const added = document.importNode(next, true);
      if (idOf(added) && known.size) added.classList.add("arrives");
      old.insertBefore(added, at);
    } else {
      if (match !== at) old.insertBefore(match, at);
      else at = at.nextSibling;
      if (match.nodeType === Node.ELEMENT_NODE) morph(match, next);
      else if (match.data !== next.data) match.data = next.data;
    }
  }
  while (at) at = drop(at);
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** A picture of a block of the strip, above the others at this place of the screen. */
function ghostOf(block, place) {
  const strip = element("strip"), frame = strip.getBoundingClientRect(), ghost = block.cloneNode(true);
  ghost.removeAttribute("id");
  ghost.classList.remove("arrives");
  ghost.classList.add("traveller");
  ghost.inert = true;
  Object.assign(ghost.style, { left: `${place.left - frame.left}px`, top: `${place.top - frame.top}px`, width: `${place.width}px` });
  strip.append(ghost);
  return ghost;
}

const CROSSING_MILLISECONDS = 800;

/**
 * Remembers where the block that is searched for stands, and the newest one. What it
 * returns lets a block that has come meanwhile slide from there over the divider.
 */
function watchCrossing() {
  const strip = element("strip");
  const first = () => strip.querySelector(".mined .block");
  if (!strip || !first() || isStill()) return null;
  const start = strip.querySelector(".waiting .block").getBoundingClientRect(), end = first().getBoundingClientRect();
  return () => {
    const block = first();
    if (!block.classList.contains("arrives") || strip.querySelector(".mined").scrollLeft > 0) return;
    const traveller = ghostOf(block, end);
    block.classList.add("crossing");
    const way = [{ transform: `translateX(${start.left - end.left}px)` }, { transform: "none" }];
    traveller.animate(way, { duration: CROSSING_MILLISECONDS, easing: "cubic-bezier(0.3, 0.7, 0.2, 1)" }).onfinish = () => {
      traveller.remove();
      block.classList.remove("crossing");
    };
  };
}

const FALL_MILLISECONDS = 1800;

/**
 * Remembers the blocks of the strip. What it returns lets those fall that were dropped
 * meanwhile: another block, or none, has their height now.
 */
function watchDropped() {
  const mined = document.querySelector("#strip .mined");
  if (!mined) return null;
  const before = [...mined.children].map((card) => [card, card.getBoundingClientRect()]);
  return () => {
    const heights = [...mined.children].map((card) => Number(card.dataset.height)), lowest = Math.min(...heights);
    for (const [card, place] of before) {
      if (card.isConnected || Number(card.dataset.height) < lowest) continue;
      const ghost = ghostOf(card, place);
      ghost.classList.add("dropped");
      const way = [{ opacity: 1 }, { opacity: 1, offset: 0.5 }, { opacity: 0, transform: isStill() ? "none" : "translateY(60%) rotate(8deg)" }];
      ghost.animate(way, { duration: FALL_MILLISECONDS, easing: "ease-in" }).onfinish = () => ghost.remove();
    }
  };
}

/** What it returns leaves a strip that was scrolled at the blocks that the reader looks at. */
function watchPlace() {
  const mined = document.querySelector("#strip .mined");
  if (!mined?.scrollLeft) return null;
  const before = [...mined.children].map((card) => [card, card.getBoundingClientRect().left]);
  return () => {
    for (const card of mined.querySelectorAll(".arrives")) card.classList.remove("arrives");
    const [card, left] = before.find(([card]) => card.isConnected) ?? [];
    if (card) mined.scrollLeft += card.getBoundingClientRect().left - left;
  };
}

const lost = element("lost");

function tellLost(text) {
  lost.hidden = !text;
  if (lost.textContent !== text) lost.textContent = text;
  document.body.classList.toggle("is-lost", Boolean(text));
  const chip = element("health");
  if (!text || !chip) return;
  chip.className = "health bad";
  chip.querySelector(".word").textContent = "no answer";
}

async function pageAt(href, options = {}) {
  const answer = await fetch(href, { cache: "no-store", ...options });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Asks for this page again. A miner that is gone leaves the last picture, greyed. */
async function refresh() {
  const page = await pageAt(location.href, { signal: AbortSignal.timeout(20000) });
  const isDead = Boolean(document.querySelector("[data-dead]")), becomesDead = Boolean(page.querySelector("[data-dead]"));
  if (becomesDead && !isDead) return tellLost(`The miner does not answer. This is what it said last. ${page.querySelector(".reason")?.textContent ?? ""}`);
  tellLost("");
  if (isDead !== becomesDead) return location.reload();
  tellTimes(page);
  tellChances(page);
  const stay = watchPlace(), land = watchCrossing(), fall = watchDropped();
  morph(element("main"), page.getElementById("main"));
  stay?.();
  land?.();
  fall?.();
  const chip = element("health"), freshChip = page.getElementById("health");
  if (chip && freshChip) morph(chip, freshChip);
}

/** Goes on with a search for as long as there is nothing to show. */
async function goOn() {
  const link = document.querySelector("[data-go-on]"), result = element("result");
  if (!link) return;
  const fresh = (await pageAt(link.href)).getElementById("result");
  if (!fresh) return;
  // Whoever listens hears of the end alone.
  if (fresh.querySelector("[data-go-on]")) fresh.setAttribute("aria-busy", "true");
  tellTimes(fresh);
  morph(result, fresh);
  return goOn();
}

async function copyText(button) {
  const text = button.dataset.copy, label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const command = button.closest("section").querySelector(".curl");
    getSelection().selectAllChildren(command);
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (button.textContent = label), 2000);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copyText(button));
}

const message = element("message");
if (message) {
  const hint = element("message-hint"), plain = hint.textContent, most = Number(message.dataset.bytesMax);
  message.addEventListener("input", () => {
    const left = most - new TextEncoder().encode(message.value).length;
    message.setCustomValidity(left < 0 ? `${-left} bytes too long` : "");
    hint.textContent = left > 1000 ? plain : left < 0 ? `${-left} bytes too long` : `${left} bytes left`;
  });
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) message.form.requestSubmit();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, pre")) return;
  if (event.key === "/") {
    event.preventDefault();
    const box = element("q");
    if (box) box.focus();
    else document.querySelector('nav a[href^="/find"]').click();
  } else {
    document.querySelector(`a[data-key="${event.key}"]`)?.click();
  }
});

document.addEventListener("input", (event) => {
  if (!event.target.closest(".chance")) return;
  share = Number(event.target.value);
  tellChances(document);
});

const dial = document.querySelector("[data-steps]");
dial?.closest("label").addEventListener("input", (event) => {
  dial.textContent = document.querySelector(`#${dial.dataset.steps} [value="${event.target.value}"]`).label;
});

/** Opens what stands folded in the place that was gone to. */
function unfold() {
  element(decodeURIComponent(location.hash.slice(1)))?.querySelector("details")?.setAttribute("open", "");
}
addEventListener("hashchange", unfold);
unfold();
document.querySelector(".waiting .own")?.scrollIntoView({ block: "nearest", inline: "center" });

// A date without a zone means the reader's, as of that date.
const find = document.querySelector("form.find");
for (const zone of document.querySelectorAll("[data-zone]")) zone.textContent = `in your zone, ${partsOf(new Date()).timeZoneName}`;
find?.addEventListener("submit", () => {
  const [, day, time] = /^\s*(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?\s*$/.exec(find.q.value) ?? [];
  const date = new Date(`${day}T${time ?? "00:00"}`);
  if (!day || Number.isNaN(date.getTime())) return;
  find.zone.value = partsOf(date).timeZoneName;
  find.zone.disabled = false;
});

tellTimes(document);
tellChances(document);
goOn().catch(() => {});
setInterval(() => tellTimes(document), 1000);
if ("live" in document.body.dataset) {
  const isSilent = () => tellLost("This page's server does not answer; asking again every two seconds.");
  follow(refresh, isSilent, document.querySelector("[data-beat]")?.dataset.beat);
}
