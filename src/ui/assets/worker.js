// Does the work off the page: checks a chain, judges a few blocks, searches a proof.

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
  const began = performance.now(), ids = new Set();
  let head = null, checked = 0, length = 1, told = 0;
  while (checked < length) {
    const got = await page(query, checked, PAGE_BLOCKS), now = Date.now() * 1000;
    if (got.lines.length === 0) throw new Error(`the miner sends no block ${checked}`);
    length = got.length;
    for (const line of got.lines) {
      const verdict = head ? judge(head, line, difficulty, now) : judgeGenesis(line, network, difficulty);
      if (!verdict.fault && ids.has(verdict.id)) verdict.fault = fault("data.id", verdict.id, "one that did not come before");
      if (verdict.fault) {
        if (verdict.fault.field === "previous_hash" && (await hasMoved(query, head, checked))) return check(arguments[0]);
        return postMessage({ done: true, fault: verdict.fault, block: checked, checked, length });
      }
      ids.add(verdict.id);
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
  return { head: genesisHead(line), id: "0".repeat(32) };
}

/** Judges blocks one after the other, each as the child of the one before as that is now. */
function judgeAll({ parent, lines, difficulty }) {
  let sound = true;
  const verdicts = lines.map((line) => {
    const { fault: found, head } = judge(parent, line, difficulty, Date.now() * 1000);
    const after = parent;
    parent = head || tipAsIs(line);
    const inherited = !found && !sound ? fault("chain", `it follows block ${after.index}`, "a valid block before it") : null;
    if (found) sound = false;
    return { fault: found || inherited, hash: parent.hash, seal: sealOf(line) };
  });
  return verdicts;
}

/** What a child of a line would have to know, whether the line is valid or not. */
function tipAsIs(line) {
  const { index, timestamp, proof } = JSON.parse(line);
  return { index, timestamp, hash: sha256Hex(line), proof: proof || "" };
}

/** Searches a proof and reports how far it is; the page ends it by ending this worker. */
function mine({ parent, line, difficulty }) {
  const head = tipAsIs(parent), block = JSON.parse(line);
  block.previous_hash = head.hash;
  delete block.proof;
  const bare = JSON.stringify(block), seal = sha256Hex(bare);
  const prefix = `${head.proof}${seal}-`, began = performance.now();
  for (let from = 0; ; from += GUESSES_PER_REPORT) {
    const nonce = searchNonce(prefix, difficulty, from, from + GUESSES_PER_REPORT);
    const milliseconds = performance.now() - began;
    if (nonce !== null) {
      return postMessage({ done: true, line: `${bare.slice(0, -1)},"proof":"${seal}-${nonce}"}`, guesses: nonce + 1, milliseconds });
    }
    postMessage({ guesses: from + GUESSES_PER_REPORT, milliseconds });
  }
}

const TASKS = {
  check, mine,
  copy: async ({ query, from, limit }) => postMessage({ done: true, ...(await page(query, from, limit)) }),
  judge: (task) => {
    const head = tipAsIs(task.parent);
    postMessage({ done: true, verdicts: judgeAll({ ...task, parent: head }) });
  },
  hash: ({ data }) => postMessage({ done: true, hash: sha256Hex(data) }),
  search: ({ prefix, zeros }) => postMessage({ done: true, nonce: searchNonce(prefix, zeros, 0, Infinity) }),
};

onmessage = async ({ data }) => {
  try {
    await TASKS[data.task](data);
  } catch (error) {
    postMessage({ done: true, error: error.message });
  }
};
