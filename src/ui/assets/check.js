// The check of the whole chain: what the page shows while a worker does it.

import { element, lasting, number, place, say, work } from "./tools.js";

const panel = element("check");
const cells = [...element("cells").children];
const start = element("start"), stop = element("stop");
const verdict = element("verdict"), figures = element("figures");
let worker = null;

/** Ticks the cells of the blocks that are checked; each stands for an equal part. */
const tick = (checked, length, faulty) => {
  const part = (block) => Math.min(cells.length - 1, Math.floor((block * cells.length) / length));
  const end = checked === length ? cells.length : part(checked);
  cells.forEach((cell, at) => cell.classList.toggle("ticked", at < end));
  if (faulty !== undefined) cells.slice(part(faulty)).forEach((cell) => cell.classList.add("broken"));
};

const end = () => {
  start.hidden = false;
  stop.hidden = true;
  start.textContent = "Check again";
  start.focus();
  panel.removeAttribute("aria-busy");
};

const hear = ({ done, error, fault, block, checked, length, milliseconds }) => {
  if (error) {
    say(verdict, `The check could not be ended: ${error}.`, "bad");
    return end();
  }
  if (milliseconds) {
    const rate = (checked / milliseconds) * 1000;
    const left = done ? "" : `, ${lasting((length - checked) / rate)} to go`;
    figures.textContent = `${number(rate)} blocks a second${left}`;
  }
  tick(checked, length, fault && block);
  if (fault) {
    say(verdict, `✗ Block ${number(block)} breaks a rule: ${fault.field}: found ${fault.found}, expected ${fault.expected}.`, "bad");
  } else if (done) {
    say(verdict, `✓ ${number(checked)} block${checked === 1 ? "" : "s"}, no fault, checked by your browser, not by the miner.`, "good");
  } else {
    figures.textContent = `${number(checked)} of ${number(length)} blocks · ${figures.textContent}`;
  }
  if (done) end();
};

start.addEventListener("click", () => {
  cells.forEach((cell) => (cell.className = ""));
  figures.textContent = "";
  say(verdict, "Checking…");
  panel.setAttribute("aria-busy", "true");
  start.hidden = true;
  stop.hidden = false;
  stop.focus();
  worker = work({ task: "check", ...place }, hear);
});
stop.addEventListener("click", () => {
  worker.terminate();
  say(verdict, "Stopped.");
  end();
});
start.disabled = false;
