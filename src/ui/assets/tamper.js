
// Tamper mode: a copy of the newest blocks that may be changed and mined again.

{
  const COPIED_BLOCKS = 6;
  const RULES = {
    seal: "The seal in the proof was made for other bytes.",
    previous_hash: "It names a block before it that does not exist any more.",
    work: "Both proofs together no longer give a hash with enough zeros.",
    chain: "It stands on a block that breaks a rule.",
    "data.message": "The message is outside its limits.",
    line: "It is not spelled as a block is.",
  };
  const button = element("copy-blocks"), list = element("copies"), verdict = element("tamper-verdict");
  let copies = [], parent = "", miner = null;

  const short = (hash) => `${hash.slice(0, 10)}…`;

  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  };

  /** The card of a copied block. */
  function card(copy, at) {
    const item = make("li", "copy"), block = JSON.parse(copy.line), id = `copy-${block.index}`;
    const label = make("label", "", `Block ${number(block.index)}`);
    const box = make("textarea"), state = make("p", "state"), hashes = make("p", "hashes");
    const buttons = make("div", "buttons"), again = make("button", "", "Mine again");
    const stop = make("button", "", "Stop"), progress = make("p", "hint");
    label.htmlFor = box.id = id;
    box.rows = 2;
    box.value = block.data.message;
    box.setAttribute("aria-describedby", `${id}-state`);
    state.id = `${id}-state`;
    stop.hidden = true;
    buttons.append(again, stop, progress);
    item.append(label, box, state, hashes, buttons);
    box.addEventListener("input", () => {
      const changed = JSON.parse(copy.line);
      changed.data.message = box.value;
      copy.line = JSON.stringify(changed);
      judge();
    });
    again.addEventListener("click", () => mine(copy, at));
    stop.addEventListener("click", () => endMining("Stopped."));
    Object.assign(copy, { item, box, state, hashes, again, stop, progress });
    return item;
  }

  /** Judges all copies anew and colours them. */
  async function judge() {
    const task = { task: "judge", parent, lines: copies.map((copy) => copy.line), difficulty: place.difficulty };
    const { verdicts } = await answerOf(task);
    if (task.lines.some((line, at) => line !== copies[at].line)) return;
    copies.forEach((copy, at) => show(copy, verdicts[at]));
    const broken = verdicts.findIndex((one) => one.fault);
    const changed = copies.some((copy) => copy.line !== copy.original);
    if (broken >= 0) {
      const count = verdicts.filter((one) => one.fault).length, first = JSON.parse(copies[broken].line).index;
      say(verdict, `✗ Block ${number(first)} breaks a rule, and ${count} of ${copies.length} blocks are worth nothing. Everybody sees it.`, "bad");
    } else if (changed) {
      say(verdict, "✓ A valid chain again, at the price of all that work. The others have mined on meanwhile, and the longest chain wins.", "good");
    } else {
      say(verdict, "✓ A true copy. Change any message.", "good");
    }
  }

  function show(copy, { fault, hash, seal }) {
    const block = JSON.parse(copy.line);
    copy.item.className = `copy ${fault ? "broken" : "sound"}`;
    copy.item.dataset.rule = fault ? fault.field : "";
    copy.state.textContent = fault ? `✗ ${fault.field}: ${RULES[fault.field] || `expected ${fault.expected}`}` : "✓ keeps every rule";
    const claims = (block.proof || "").slice(0, 64);
    const seals = claims === seal ? `seal ${short(seal)}` : `seal ${short(claims)}, should be ${short(seal)}`;
    copy.hashes.textContent = `previous_hash ${short(block.previous_hash)} · ${seals} · hash ${short(hash)}`;
    copy.again.disabled = !fault || miner !== null;
  }

  /** Searches a new proof for a copy, behind the block before it as that is now. */
  function mine(copy, at) {
    const expected = 16 ** place.difficulty;
    const before = at === 0 ? parent : copies[at - 1].line;
    const hear = ({ done, error, line, guesses, milliseconds }) => {
      const rate = (guesses / milliseconds) * 1000;
      if (error) return endMining(`It failed: ${error}.`);
      if (!done) {
        copy.progress.textContent = `${number(guesses)} of about ${number(expected)} guesses, ${number(rate)} a second; such a search takes ${lasting(expected / rate)} on average`;
        return;
      }
      copy.line = line;
      endMining(`Found after ${number(guesses)} guesses in ${lasting(milliseconds / 1000)}.`);
    };
    copies.forEach((other) => {
      other.again.disabled = true;
      other.box.readOnly = true;
    });
    copy.stop.hidden = false;
    copy.progress.textContent = "Searching…";
    copy.item.setAttribute("aria-busy", "true");
    miner = { copy, worker: work({ task: "mine", parent: before, line: copy.line, difficulty: place.difficulty }, hear) };
    copy.stop.focus();
  }

  function endMining(text) {
    const { copy, worker } = miner;
    worker.terminate();
    miner = null;
    copy.item.removeAttribute("aria-busy");
    copy.stop.hidden = true;
    copy.progress.textContent = text;
    copies.forEach((other) => (other.box.readOnly = false));
    judge().then(() => copy.box.focus());
  }

  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const { length } = await answerOf({ task: "copy", ...place, from: 0, limit: 1 });
      const from = Math.max(0, length - COPIED_BLOCKS - 1);
      const { lines } = await answerOf({ task: "copy", ...place, from, limit: COPIED_BLOCKS + 1 });
      parent = lines[0];
      copies = lines.slice(1).map((line) => ({ line, original: line }));
      list.replaceChildren(...copies.map(card));
      if (copies.length === 0) say(verdict, "There is only the genesis block yet. Add a message first.");
      else await judge();
      button.textContent = "Take a fresh copy";
    } catch (error) {
      say(verdict, `No copy could be had: ${error.message}.`, "bad");
    }
    button.disabled = false;
  });
  button.disabled = false;
}
