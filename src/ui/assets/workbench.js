// The workbench: a text and its hash, a block whose nonce is searched by hand, and what
// another difficulty would cost.

import { ask, answerOf, handIn, lasting, place, randomId, say, zerosOf } from "./tools.js";
import { follow } from "./live.js";
import { element, make, number, plural } from "./page.js";
import { headAsIs, spell } from "./rules.js";
import { hex, sha256, sha256Hex, utf8 } from "./sha256.js";

const SPIN_MILLISECONDS = 8;

// A text and its hash.
{
  const box = element("text"), out = element("text-hash"), bits = element("bits"), told = element("bits-told");
  let before = null;
  const cells = Array.from({ length: 256 }, () => make("i"));
  bits.append(...cells);

  const tell = () => {
    const words = sha256(utf8.encode(box.value)), text = hex(words);
    const differs = (bit) => before !== null && ((words[bit >> 5] ^ before[bit >> 5]) >>> (31 - (bit & 31))) & 1;
    const isSet = (bit) => (words[bit >> 5] >>> (31 - (bit & 31))) & 1;
    let changed = 0;
    cells.forEach((cell, bit) => {
      changed += differs(bit);
      cell.className = `${isSet(bit) ? "one" : ""} ${differs(bit) ? "lit" : ""}`;
    });
    out.replaceChildren(...[...text].map((digit, at) => {
      const isNew = [0, 1, 2, 3].some((bit) => differs(4 * at + bit));
      return make("span", isNew ? "lit" : "", digit);
    }));
    told.textContent = before === null ? "Type, and see what one letter changes." : `${plural(changed, "bit")} of 256 changed.`;
    before = words;
  };
  box.addEventListener("input", tell);
  tell();
}

// A block that waits.
{
  const nonce = element("nonce"), spin = element("spin"), give = element("give"), verdict = element("bench-verdict");
  const message = element("bench-message"), counts = element("luck");
  let parent = null, fields = null, prefix = "", guesses = 0, seen = [], spinning = 0, best = "", isOwn = true, isTyped = false, handed = false;

  /** Takes the head and the oldest message that waits, and begins anew if either is new. */
  async function look() {
    const { length, head } = await ask("/health");
    if (parent?.hash === head) return;
    const { lines } = await answerOf({ task: "copy", query: place.query, from: length - 1, limit: 1 });
    const { data } = await ask("/data");
    const isFirst = parent === null, next = headAsIs(lines[0]);
    parent = next;
    isOwn = isTyped || data.length === 0;
    message.readOnly = !isOwn;
    if (!isOwn) message.value = data[0].message;
    else if (isFirst || (!isTyped && !message.value)) message.value = "Mined by hand";
    element("bench-source").textContent = isTyped ? "Your own message." : isOwn ? "No message is unprocessed: write one of your own." : "The oldest unprocessed message. Miners that do not rest search for its nonce, too.";
    fields = {
      index: String(parent.index + 1), id: isOwn ? randomId() : data[0].id, previous: parent.hash,
      timestamp: String(Math.max(Date.now() * 1000, parent.timestamp + 1)),
    };
    begin(isFirst || handed ? "" : `Block ${number(parent.index)} came from elsewhere. A block names the one before it, so the search begins anew: ${number(guesses)} guesses are lost. Nothing else is: a search has no memory.`);
  }

  /** Begins a search. */
  function begin(words) {
    fields.message = message.value;
    const bare = spell({ ...fields, seal: "", nonce: "" }).replace(/,"proof":"-"\}$/, "}");
    fields.seal = sha256Hex(bare);
    prefix = `${parent.proof}${fields.seal}-`;
    [guesses, seen, best, handed] = [0, [], "", false];
    element("bench-height").textContent = number(Number(fields.index));
    element("bench-seal").textContent = fields.seal;
    element("bench-previous").textContent = fields.previous;
    say(verdict, words || "Guess a nonce.", words ? "" : "idle");
    show(workOf(nonce.value));
  }

  const workOf = (guess) => sha256Hex(prefix + guess);

  /** Tries a nonce. */
  function guess(value) {
    const work = workOf(value), zeros = zerosOf(work);
    guesses++;
    seen[zeros] = (seen[zeros] ?? 0) + 1;
    if (zeros >= place.difficulty) best = value;
    return work;
  }

  function show(work) {
    const zeros = zerosOf(work), fits = zeros >= place.difficulty, isNumber = /^(0|[1-9]\d{0,18})$/.test(nonce.value);
    element("bench-work").replaceChildren(work.slice(0, 64 - zeros), make("span", zeros ? "zeros" : "", work.slice(64 - zeros)));
    element("bench-zeros").textContent = `${plural(zeros, "zero")} of ${place.difficulty}`;
    element("bench-guesses").textContent = `${number(guesses)} so far, about ${number(16 ** place.difficulty)} are expected`;
    give.disabled = !fits || !isNumber || handed;
    if (fits && isNumber && !handed) say(verdict, `✓ This nonce fits, after ${number(guesses)} guesses. Hand the block in before another miner does.`, "good");
    drawLuck();
  }

  /** How many guesses gave how many zeros, beside how many should by chance. */
  function drawLuck() {
    const rows = [];
    for (let zeros = 0; zeros <= place.difficulty; zeros++) {
      const isLast = zeros === place.difficulty;
      const found = isLast ? seen.slice(zeros).reduce((sum, one) => sum + (one ?? 0), 0) : (seen[zeros] ?? 0);
      const expected = guesses / 16 ** zeros * (isLast ? 1 : 15 / 16);
      const row = make("tr"), head = make("th", "", isLast ? `${zeros} and more` : String(zeros)), bar = make("td", "gauge"), line = make("i"), mark = make("b");
      head.scope = "row";
      const width = (n) => `${guesses ? Math.min(100, (100 * Math.log2(n + 1)) / Math.log2(guesses + 1)) : 0}%`;
      line.style.width = width(found);
      mark.style.left = width(expected);
      bar.append(line, mark);
      row.append(head, bar, make("td", "number", number(found)), make("td", "number", expected < 10 ? expected.toFixed(2) : number(expected)));
      rows.push(row);
    }
    counts.replaceChildren(...rows);
  }

  const nonceNow = () => BigInt(/^\d+$/.test(nonce.value) ? nonce.value : "0");

  function turn() {
    const until = performance.now() + SPIN_MILLISECONDS;
    let value = nonceNow(), work;
    do work = guess(String(++value));
    while (!best && performance.now() < until);
    nonce.value = String(value);
    show(work);
    if (best) stop();
    else spinning = requestAnimationFrame(turn);
  }

  function stop() {
    cancelAnimationFrame(spinning);
    spinning = 0;
    spin.textContent = "Spin";
    spin.setAttribute("aria-pressed", "false");
    if (best) give.focus();
  }

  const step = (by) => {
    const value = nonceNow() + by;
    nonce.value = String(value < 0n ? 0n : value);
    show(guess(nonce.value));
  };
  element("less").addEventListener("click", () => step(-1n));
  element("more").addEventListener("click", () => step(1n));
  nonce.addEventListener("input", () => show(guess(nonce.value)));
  message.addEventListener("input", () => {
    isTyped = true;
    if (fields) begin("Another message is another block: its seal is another one, and the search begins anew.");
  });
  spin.addEventListener("click", () => {
    if (spinning) return stop();
    best = "";
    spin.textContent = "Stop";
    spin.setAttribute("aria-pressed", "true");
    spinning = requestAnimationFrame(turn);
  });
  give.addEventListener("click", async () => {
    stop();
    handed = give.disabled = true;
    const { taken, words } = await handIn([spell({ ...fields, nonce: nonce.value })], element("by")?.value);
    if (!taken) {
      handed = false;
      say(verdict, `✗ Not taken. ${words}`, "bad");
    } else {
      say(verdict, "✓ Taken: ", "good");
      const link = make("a", "", `block ${number(Number(fields.index))} is yours`);
      link.href = `/block/${fields.index}${place.query.replace("&", "?")}`;
      verdict.append(link, ".");
    }
    give.disabled = true;
  });

  async function keepUp() {
    if (!handed) await look();
    for (const control of [nonce, spin, element("less"), element("more")]) control.disabled = !fields;
  }
  element("anew").addEventListener("click", () => {
    parent = null;
    handed = isTyped = false;
    message.value = "";
    look();
  });
  const isSilent = (error) => say(verdict, `The miner does not answer: ${error.message}.`, "bad");
  keepUp().catch(isSilent).then(() => follow(keepUp, isSilent));
}

// What another difficulty would cost.
{
  const panel = element("what-if"), slider = element("zeros"), told = element("what-if-told");
  const blocks = Number(panel.dataset.blocks), rate = Number(panel.dataset.rate), whose = panel.dataset.whose;
  const tell = () => {
    const zeros = Number(slider.value), each = 16 ** zeros, factor = 16 ** (zeros - place.difficulty);
    const compared = factor === 1 ? "as much work as it was" : factor > 1 ? `${number(factor)} times the work` : `one ${number(1 / factor)}th of the work`;
    element("zeros-told").textContent = plural(zeros, "zero");
    told.textContent = `With ${plural(zeros, "zero")}, a block takes about ${number(each)} guesses. The same chain of ${plural(blocks, "block")} would have been ${compared}: ${lasting((blocks * each) / rate)} on average at ${number(rate)} guesses a second, ${whose}.`;
  };
  slider.addEventListener("input", tell);
  slider.disabled = false;
  tell();
}
