// Does the work off the page: checks a chain, searches a proof.

import { cutLines, fault, genesisHead, genesisLine, headAsIs, judge } from "./rules.js";
import { lanes, search } from "./search.js";
import { sha256Hex } from "./sha256.js";

const PAGE_BLOCKS = 1000;
const REPORT_MILLISECONDS = 100;
const GUESSES_PER_REPORT = 50000;

async function page(query, from, limit) {
  const answer = await fetch(`/api/chain?from=${from}&limit=${limit}${query}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`the miner answers ${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return cutLines(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
}

/** Fetches and checks every block; reports how far it is. */
async function check({ query, network, difficulty }) {
  const began = performance.now(), messages = new Set();
  let head = null, checked = 0, length = 1, told = 0;
  while (checked < length) {
    const got = await page(query, checked, PAGE_BLOCKS), now = Date.now() * 1000;
    if (got.lines.length === 0) throw new Error(`the miner sends no block ${checked}`);
    length = got.length;
    for (const line of got.lines) {
      const verdict = head ? judge(head, line, difficulty, now) : judgeGenesis(line, network, difficulty);
      if (!verdict.fault && messages.has(verdict.message)) verdict.fault = fault("data", verdict.message, "a message that did not come before");
      if (verdict.fault) {
        if (verdict.fault.field === "previous_hash" && (await hasMoved(query, head, checked))) return check(arguments[0]);
        return postMessage({ done: true, fault: verdict.fault, block: checked, checked, length });
      }
      messages.add(verdict.message);
      head = verdict.head;
      checked++;
      const milliseconds = performance.now() - began;
      if (milliseconds - told > REPORT_MILLISECONDS) {
        told = milliseconds;
        postMessage({ checked, length, milliseconds });
      }
    }
  }
  postMessage({ done: true, checked, length, milliseconds: performance.now() - began });
}

/** Whether the miner has adopted another branch since it sent `head`. */
async function hasMoved(query, head, checked) {
  const { lines } = await page(query, checked - 1, 1);
  return lines.length > 0 && sha256Hex(lines[0]) !== head.hash;
}

function judgeGenesis(line, network, difficulty) {
  const expected = genesisLine(network, difficulty);
  if (line !== expected) return { fault: fault("line", line, expected) };
  return { head: genesisHead(line), message: line };
}

/**
 * Searches a proof and reports how far it is, as one of so many workers that share the
 * search; the page ends it by ending this worker.
 */
function mine({ parent, line, difficulty, worker, workers }) {
  const head = headAsIs(parent), block = JSON.parse(line);
  block.previous_hash = head.hash;
  delete block.proof;
  const bare = JSON.stringify(block), seal = sha256Hex(bare);
  const prefix = `${head.proof}${seal}-`;
  let guesses = 0;
  for (let from = worker * GUESSES_PER_REPORT; ; from += workers * GUESSES_PER_REPORT) {
    const nonce = search(prefix, difficulty, from, from + GUESSES_PER_REPORT);
    if (nonce !== null) {
      guesses += nonce - from + 1;
      return postMessage({ done: true, line: `${bare.slice(0, -1)},"proof":"${seal}-${nonce}"}`, guesses });
    }
    guesses += GUESSES_PER_REPORT;
    postMessage({ guesses });
  }
}

const TASKS = {
  check, mine,
  copy: async ({ query, from, limit }) => postMessage({ done: true, ...(await page(query, from, limit)) }),
  hash: ({ data }) => postMessage({ done: true, hash: sha256Hex(data) }),
  search: ({ prefix, zeros }) => postMessage({ done: true, nonce: search(prefix, zeros, 0, Infinity), lanes }),
};

onmessage = async ({ data }) => {
  try {
    await TASKS[data.task](data);
  } catch (error) {
    postMessage({ done: true, error: error.message });
  }
};
