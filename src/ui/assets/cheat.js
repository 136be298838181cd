// Try to cheat: a copy of the newest blocks, each field of which may be changed; blocks are
// mined again by several workers, while the network goes on.

import { ask, answerOf, handIn, lasting, place, randomId, say, work, zerosOf } from "./tools.js";
import { follow } from "./live.js";
import { element, make, number, plural } from "./page.js";
import { judgeAll, spell } from "./rules.js";

const COPIED_BLOCKS = 6;
const LANE_CELLS = 24;
const WORKERS = Math.max(1, Math.min(8, navigator.hardwareConcurrency || 2));

const RULES = {
  seal: "The seal in the proof was made for other bytes.",
  previous_hash: "It names a block before it that does not exist any more.",
  work: "Both proofs together give a hash without enough zeros.",
  chain: "It stands on a block that breaks a rule.",
  "data.message": "The message is outside its limits.",
  line: "It is not spelled as a block is.",
};

/** Fields of a block that can be changed, the most telling first, and their names on a card. */
const FIELDS = [
  ["message", "data.message"], ["nonce", "nonce"], ["previous", "previous_hash"],
  ["seal", "seal"], ["id", "data.id"], ["timestamp", "timestamp"], ["index", "index"],
];
const ALWAYS_SHOWN = 3;

const button = element("copy-blocks"), list = element("copies"), verdict = element("tamper-verdict");
const onTop = element("mine-on-top"), give = element("hand-in");
let copies = [], parent = "", miner = null, live = null, gap = 0, trend = "", isFollowing = false;

/** The fields of a line. */
function fieldsOf(line) {
  const { index, timestamp, data, previous_hash, proof } = JSON.parse(line);
  const [seal, nonce] = (proof ?? "").split("-");
  return { index: String(index), timestamp: String(timestamp), id: data.id, message: data.message, previous: previous_hash, seal, nonce };
}

const lineOf = (copy) => spell(copy.fields);
const isChanged = (copy) => lineOf(copy) !== copy.original;
const hue = (hash) => `h${/^[0-9a-f]/.test(hash) ? hash[0] : "0"}`;

/** The card of a copied block. */
function card(copy) {
  const height = copy.fields.index, item = make("li", "copy");
  const title = make("p", "height", `Block ${number(Number(height))} `), digits = make("code", "digits");
  const link = make("span", "link"), state = make("p", "state"), results = make("p", "hashes");
  const buttons = make("div", "buttons"), again = make("button", "", "Mine again");
  const stop = make("button", "", "Stop"), progress = make("p", "hint");
  const more = make("details"), inputs = {};
  link.setAttribute("aria-hidden", "true");
  title.append(digits);
  state.id = `copy-${height}-state`;
  more.append(make("summary", "", "All fields"));
  FIELDS.forEach(([field, name], place) => {
    const label = make("label", "field"), input = make(field === "message" ? "textarea" : "input");
    label.append(make("span", "", name), input);
    input.value = copy.fields[field];
    input.spellcheck = false;
    input.setAttribute("autocomplete", "off");
    if (field === "nonce") input.inputMode = "numeric";
    input.setAttribute("aria-label", `${name} of block ${height}`);
    input.setAttribute("aria-describedby", state.id);
    input.addEventListener("input", () => {
      copy.fields[field] = input.value;
      judge();
    });
    inputs[field] = input;
    if (field === "message") input.rows = 2;
    (place < ALWAYS_SHOWN ? item : more).append(label);
  });
  item.prepend(link, title);
  stop.hidden = true;
  buttons.append(again, stop);
  item.append(more, state, results, buttons, progress);
  again.addEventListener("click", () => mine(copy));
  stop.addEventListener("click", () => endMining("Stopped."));
  Object.assign(copy, { item, digits, link, inputs, state, results, again, stop, progress });
  return item;
}

/** Judges all copies anew, colours them and their links, and says how the race stands. */
function judge() {
  const verdicts = judgeAll(parent, copies.map(lineOf), place.difficulty);
  copies.forEach((copy, at) => show(copy, verdicts[at], at > 0 ? verdicts[at - 1].hash : null));
  tell(verdicts);
}

function show(copy, { fault, hash, work, seal }, before) {
  const { fields, item } = copy;
  item.className = `copy mined-block ${hue(hash)} ${fault ? "broken" : "sound"} ${isChanged(copy) ? "changed" : ""}`;
  item.dataset.rule = fault ? fault.field : "";
  copy.digits.textContent = `${hash.slice(0, 6)}…`;
  copy.link.className = `link ${hue(fields.previous)} ${before === null || before === fields.previous ? "" : "torn"}`;
  copy.link.textContent = fields.previous.slice(0, 2);
  copy.state.textContent = fault ? `✗ ${fault.field}: ${RULES[fault.field] || `expected ${fault.expected}`}` : "✓ keeps every rule";
  const zeros = zerosOf(work);
  const sealed = seal === fields.seal ? "" : ` · its seal would be ${seal.slice(0, 10)}…`;
  copy.results.textContent = `the hash of both proofs ends with ${work.slice(-10)}: ${plural(zeros, "zero")} of ${place.difficulty}${sealed}`;
  copy.again.disabled = !fault || miner !== null;
}

/** Which of two heads wins, mine or the network's; why, in words. */
function compare(height, hash) {
  const network = live.length - 1, ahead = network - height;
  if (ahead > 0) return { wins: false, words: `The network is at block ${number(network)}, you at ${number(height)}: ${plural(ahead, "block")} behind${trend}. The longest chain wins, and yours is not.` };
  if (ahead < 0) return { wins: true, words: `You would win: the network is at block ${number(network)}, you at ${number(height)}, and the longest chain wins.` };
  const wins = hash < live.head;
  const heads = `(yours ${hash.slice(0, 6)}…, the network's ${live.head.slice(0, 6)}…)`;
  return { wins, words: `Both are at block ${number(height)}. Of chains as long as each other, the one whose head has the lower hash wins: yours is ${wins ? "lower" : "higher"} ${heads}, so you would ${wins ? "win" : "lose"}.` };
}

function tell(verdicts) {
  const broken = verdicts.findIndex((one) => one.fault), first = Number(JSON.parse(copies[0].original).index);
  const height = first - 1 + (broken < 0 ? copies.length : broken);
  onTop.disabled = broken >= 0 || miner !== null;
  give.disabled = true;
  drawLanes(first, height);
  if (broken >= 0) {
    const faults = verdicts.filter((one) => one.fault).length;
    return say(verdict, `✗ Block ${number(first + broken)} breaks a rule, and ${faults} of ${copies.length} blocks are worth nothing: every miner sees that. Your valid chain ends at block ${number(height)}; the network's at ${number(live.length - 1)}.`, "bad");
  }
  if (!copies.some(isChanged)) return say(verdict, "✓ A true copy. Change any field.", "good");
  const { wins, words } = compare(height, verdicts.at(-1).hash);
  give.disabled = !wins || miner !== null;
  say(verdict, `${wins ? "✓ A valid chain." : "✗ A valid chain, and it loses."} ${words}`, wins ? "good" : "bad");
}

/** The race: a cell for each block above the one that both share. */
function drawLanes(first, mine) {
  const shared = first - 1, end = Math.max(live.length - 1, mine), begin = Math.max(shared, end - LANE_CELLS);
  element("race").hidden = false;
  for (const [name, height] of [["network", live.length - 1], ["mine", mine]]) {
    const lane = element(`lane-${name}`), cells = [];
    for (let at = begin + 1; at <= end; at++) cells.push(make("i", at <= height ? "full" : ""));
    lane.querySelector(".cells").replaceChildren(...cells);
    lane.querySelector("output").textContent = number(height);
  }
}

/** Searches a new proof for a copy, behind the block before it as that is now. */
function mine(copy) {
  const at = copies.indexOf(copy), before = at === 0 ? parent : lineOf(copies[at - 1]);
  const expected = 16 ** place.difficulty, began = performance.now(), guesses = new Array(WORKERS).fill(0);
  const hear = (number_) => ({ done, error, line, guesses: made }) => {
    if (miner?.copy !== copy) return;
    if (error) return endMining(`It failed: ${error}.`);
    guesses[number_] = made;
    const all = guesses.reduce((sum, one) => sum + one, 0), seconds = (performance.now() - began) / 1000;
    if (!done) {
      const rate = all / seconds;
      copy.progress.textContent = `${number(all)} of about ${number(expected)} guesses, ${number(rate)} a second with ${plural(WORKERS, "worker")}; such a search takes ${lasting(expected / rate)} on average`;
      return;
    }
    copy.fields = fieldsOf(line);
    for (const [field] of FIELDS) copy.inputs[field].value = copy.fields[field];
    endMining(`Found after ${number(all)} guesses in ${lasting(seconds)}.`);
  };
  for (const other of copies) {
    other.again.disabled = true;
    for (const input of Object.values(other.inputs)) input.readOnly = true;
  }
  onTop.disabled = give.disabled = true;
  copy.stop.hidden = false;
  copy.progress.textContent = "Searching…";
  copy.item.setAttribute("aria-busy", "true");
  const workers = guesses.map((_, number_) =>
    work({ task: "mine", parent: before, line: lineOf(copy), difficulty: place.difficulty, worker: number_, workers: WORKERS }, hear(number_)));
  miner = { copy, workers };
  copy.stop.focus();
}

/** Ends a search, if there is one, and its workers. */
function endMining(text) {
  if (!miner) return;
  const { copy, workers } = miner;
  for (const worker of workers) worker.terminate();
  miner = null;
  copy.item.removeAttribute("aria-busy");
  copy.stop.hidden = true;
  copy.progress.textContent = text;
  for (const other of copies) for (const input of Object.values(other.inputs)) input.readOnly = false;
  judge();
  copy.inputs.message.focus();
}

/** Looks how far the network is, beside the copy. */
async function look() {
  live = await ask("/health");
  const last = copies.at(-1), now = last ? live.length - 1 - Number(last.fields.index) : 0;
  if (now !== gap) trend = now > gap ? " and falling back" : " and catching up";
  gap = now;
  if (copies.length) judge();
}

async function takeCopy() {
  endMining("");
  const { length } = await answerOf({ task: "copy", ...place, from: 0, limit: 1 });
  const from = Math.max(0, length - COPIED_BLOCKS - 1);
  const { lines } = await answerOf({ task: "copy", ...place, from, limit: COPIED_BLOCKS + 1 });
  parent = lines[0];
  live = await ask("/health");
  copies = lines.slice(1).map((line) => ({ fields: fieldsOf(line), original: line }));
  [gap, trend] = [0, ""];
  list.replaceChildren(...copies.map(card));
  element("race").hidden = copies.length === 0;
  if (copies.length === 0) return say(verdict, "There is only the genesis block yet. Add a message first.");
  judge();
  if (!isFollowing) follow(look, () => {});
  isFollowing = true;
  button.textContent = "Take a fresh copy";
}

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    await takeCopy();
  } catch (error) {
    say(verdict, `No copy could be had: ${error.message}.`, "bad");
  } finally {
    button.disabled = false;
  }
});

onTop.addEventListener("click", () => {
  const last = copies.at(-1), { index, timestamp } = last.fields;
  const later = Math.max(Date.now() * 1000, Number(timestamp) + 1);
  const fields = { index: String(Number(index) + 1), timestamp: String(later), id: randomId(), message: "mine alone", previous: "", seal: "", nonce: "" };
  const copy = { fields, original: null };
  copies.push(copy);
  list.append(card(copy));
  judge();
  mine(copy);
  copy.item.scrollIntoView({ block: "nearest", inline: "end" });
});

give.addEventListener("click", async () => {
  give.disabled = true;
  const lines = copies.slice(copies.findIndex(isChanged)).map(lineOf);
  const { taken, words } = await handIn(lines);
  element("handed-in").textContent = taken ? `The network took your branch. ${words}` : `Not taken. ${words}`;
  await look();
});

button.disabled = false;
