"use strict";
// The check of the whole chain: what the page shows while a worker does it.

const element = (id) => document.getElementById(id);
const panel = element("check");
const place = {
  query: panel.dataset.at ? `&at=${encodeURIComponent(panel.dataset.at)}` : "",
  network: panel.dataset.network,
  difficulty: Number(panel.dataset.difficulty),
};

/** Gives a task to a worker of its own; `hear` gets each message. Returns the worker. */
function work(task, hear) {
  const worker = new Worker(panel.dataset.worker);
  worker.onmessage = ({ data }) => {
    if (data.done) worker.terminate();
    hear(data);
  };
  worker.onerror = (event) => hear({ done: true, error: event.message || "the worker can't run" });
  worker.postMessage(task);
  return worker;
}

/** The same for a task with one answer. */
const answerOf = (task) =>
  new Promise((resolve, reject) => work(task, (data) => (data.error ? reject(new Error(data.error)) : resolve(data))));

const number = (n) => Math.round(n).toLocaleString("en");

/** A length of time in words. */
function lasting(seconds) {
  if (!Number.isFinite(seconds)) return "for ever";
  const steps = [[60, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"], [63115200, 86400, "days"]];
  for (const [end, unit, name] of steps) if (seconds < end) return `${(seconds / unit).toFixed(seconds < 10 ? 1 : 0)} ${name}`;
  return `${number(Math.min(seconds / 31557600, 1e15))} years`;
}

function say(where, text, state) {
  where.textContent = text;
  where.className = `verdict ${state || ""}`;
}

{
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
}
