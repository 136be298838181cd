// What the pages with workers share: tasks for a worker, and numbers in words.

import { element, number } from "./page.js";
export { element, number };

const panel = document.querySelector("[data-worker]");

/** The chain that the page is about, as workers need to know it. */
export const place = {
  query: panel.dataset.at ? `&at=${encodeURIComponent(panel.dataset.at)}` : "",
  network: panel.dataset.network,
  get difficulty() {
    return Number(panel.dataset.difficulty);
  },
};

/** Gives a task to a worker of its own; `hear` gets each message. Returns the worker. */
export function work(task, hear) {
  const worker = new Worker(panel.dataset.worker, { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.done) worker.terminate();
    hear(data);
  };
  worker.onerror = (event) => hear({ done: true, error: event.message || "the worker can't run" });
  worker.postMessage(task);
  return worker;
}

/** The same for a task with one answer. */
export const answerOf = (task) =>
  new Promise((resolve, reject) => work(task, (data) => (data.error ? reject(new Error(data.error)) : resolve(data))));

/** A length of time in words. */
export function lasting(seconds) {
  if (!Number.isFinite(seconds)) return "for ever";
  if (seconds < 1) return seconds < 0.001 ? "less than 1 ms" : `${Math.round(seconds * 1000)} ms`;
  const steps = [[60, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"], [63115200, 86400, "days"]];
  for (const [end, unit, name] of steps) if (seconds < end) return `${(seconds / unit).toFixed(seconds < 10 ? 1 : 0)} ${name}`;
  return `${number(Math.min(seconds / 31557600, 1e15))} years`;
}

export function say(where, text, state) {
  where.textContent = text;
  where.className = `verdict ${state || ""}`;
}

/** Asks the miner for JSON by way of this page's server. */
export async function ask(path) {
  const answer = await fetch(`/api${path}${path.includes("?") ? place.query : place.query.replace("&", "?")}`, { cache: "no-store" });
  if (!answer.ok && answer.status !== 503) throw new Error(`the miner answers ${answer.status}`);
  return answer.json();
}

/** A random id of a message. */
export const randomId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Zeros at the end of a hash in hex. */
export const zerosOf = (hash) => /0*$/.exec(hash)[0].length;

/**
 * Hands in blocks, one a line, as the network's next ones. Returns { taken, words }: what the
 * miner said, or why nothing could be heard of it, in words.
 */
export async function handIn(lines, by = "") {
  try {
    const answer = await fetch(`/blocks?by=${encodeURIComponent(by)}${place.query}`, { method: "POST", body: `${lines.join("\n")}\n` });
    const said = await answer.json().catch(() => ({}));
    const words = [said.message, said.more_information].filter(Boolean).join(": ").replace("!:", "!");
    if (answer.ok) return { taken: said.taken > 0, words };
    if (answer.status === 404 || answer.status === 405) {
      return { taken: false, words: "This miner takes no blocks from elsewhere yet: it needs a version with PUT /blocks." };
    }
    return { taken: false, words: words || `The miner answers ${answer.status}.` };
  } catch (error) {
    return { taken: false, words: error.message };
  }
}
