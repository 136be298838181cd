// An experiment: sets its stage, watches the network, ticks what is done.

import { chanceInWords, chanceOf } from "./chance.js";
import { add, follow, look, order } from "./class.js";
import { element, make } from "./page.js";
import { readSigned, sign, verify } from "./sign.js";

const page = element("experiment");
const DONE = "experiments done";

const done = () => new Set(JSON.parse(sessionStorage.getItem(DONE) ?? "[]"));

/** What happened in this page that the network does not tell. */
const here = { tied: [], forged: false, raced: false, height: null, text: null, signed: new Set(), wrong: new Set() };

/** The state now, a look ago, at the beginning, and when the task before was done. */
let state = null, earlier = null, opened = null, before = null;

const best = (state) => state.heightOf(state.best);
const running = (state) => state.class.filter((member) => member.state === "running");
const first = (state) => running(state)[0];
const last = (state) => running(state).filter((member) => !started(member.name)).at(-1);
const started = (name) => opened && opened.member.get(name)?.state === "absent";
const newcomer = (state) => running(state).filter((member) => started(member.name)).at(-1);
const minerOf = (state, member) => (member ? state.miners[member.place] : undefined);
const headOf = (state, member) => minerOf(state, member)?.head ?? null;
/** True once a miner's chain has the thief's message: behind the block that was robbed, where messages were pending. */
const isRobbed = (state, member) =>
  here.height !== null && state.chain(headOf(state, member)).some((block) => block.index >= here.height && block.message === here.text);
const isAncestor = (state, one, other) => state.chain(other).some((block) => block.hash === one);
const newBlocks = (state) => state.chain(state.best).filter((block) => !opened.byHash.has(block.hash));

/** The heads that are not a part of each other. */
function rivals(state) {
  return state.heads.filter((head) => !state.heads.some((other) => other !== head && isAncestor(state, head, other)));
}

/** What ticks a task: now, and as it was when the task before was done. */
const ticks = {
  waiting: () => state.miners.some((miner) => miner.unprocessed > 0) || best(state) > best(before),
  grown: (count) => best(state) >= best(before) + Number(count),
  everywhere: () => state.heads.length === 1 && best(state) > best(opened),
  "everywhere-still": () => state.heads.length === 1,
  finders: (count) => new Set(newBlocks(state).map((block) => state.finderOf(block))).size >= Number(count),
  "found-by-first": (count) => newBlocks(state).filter((block) => !before.byHash.has(block.hash) && !block.by && block.finder === first(state)?.place).length >= Number(count),
  resting: () => state.miners.some((miner) => miner.unprocessed > 0) && running(state).every((member) => minerOf(state, member)?.limit === 0),
  forged: () => here.forged,
  cut: () => state.cuts.length > 0,
  apart: () => rivals(state).length > 1,
  tied: () => {
    here.tied = rivals(state).sort();
    return here.tied.length > 1 && here.tied.every((head) => state.heightOf(head) === best(state));
  },
  lower: () => state.cuts.length === 0 && state.heads.length === 1 && state.main.has(here.tied[0]),
  agreed: () => state.cuts.length === 0 && state.heads.length === 1,
  idle: () => state.heads.length === 1 && state.miners.every((miner) => !miner.answers || miner.unprocessed === 0),
  rewritten: () => isRobbed(state, last(state)),
  longer: () => minerOf(state, last(state))?.length > Math.max(...running(state).filter((member) => member !== last(state)).map((member) => minerOf(state, member).length)),
  won: () => running(state).every((member) => isRobbed(state, member)),
  refused: () => minerOf(state, first(state))?.refused != null,
  raced: () => here.raced,
  newcomer: () => Boolean(newcomer(state)),
  "newcomer-same": () => headOf(state, newcomer(state)) === state.best,
  "newcomer-knows": (count) => (minerOf(state, newcomer(state))?.neighbours.length ?? 0) >= Number(count),
  eclipsed: () => newcomer(state) && headOf(state, newcomer(state)) === headOf(state, last(state)) && headOf(state, newcomer(state)) !== headOf(state, first(state)),
  freed: () => newcomer(state) && headOf(state, newcomer(state)) === headOf(state, first(state)),
  signed: () => [...here.signed].length > 0,
  "forged-signature": () => [...here.wrong].length > 0,
};

/** Puts names of miners into orders. */
function filled(orders) {
  const names = running(state).filter((member) => !started(member.name)).map((member) => member.name), half = Math.ceil(names.length / 2);
  const words = { first: names[0], last: names.at(-1), left: names.slice(0, half).join(" "), right: names.slice(half).join(" "),
    new: state.class.find((member) => member.state === "absent")?.name, newest: newcomer(state)?.name };
  const lines = orders.split("\n").flatMap((line) => (line.startsWith("{all}") ? names.map((name) => line.slice(5).replaceAll("{name}", name)) : [line]));
  return lines.map((line) => line.replace(/\{(\w+)\}/g, (_, word) => words[word] ?? word));
}

async function act(lines) {
  const answer = await order(...lines);
  const refusal = answer.commands.find((command) => /^# 4\d\d/.test(command));
  if (refusal) here.forged = true;
  element("seen").textContent = answer.error ? `Not done: ${answer.error}` : refusal ? refusal.slice(2) : "";
  return answer;
}

/** Sets a stage. A reset comes first by itself: who is there afterwards decides what the names stand for. */
async function set(orders) {
  const isAnew = orders === "reset" || orders.startsWith("reset\n");
  if (isAnew) {
    const done = await act(["reset"]);
    if (done.error) return;
    state = opened = before = await look();
  }
  const rest = isAnew ? orders.slice("reset\n".length) : orders;
  if (rest) await act(filled(rest));
}

function tick() {
  const open = [...page.querySelectorAll(".tasks li:not(.done)")];
  for (const task of open) {
    const [name, argument] = task.dataset.tick.split(" ");
    if (!ticks[name](argument)) break;
    task.classList.add("done");
    // What came in the same look counts for the next task.
    before = earlier;
  }
  if (page.querySelector(".tasks li:not(.done)") || !element("learned").hidden) return;
  element("learned").hidden = false;
  sessionStorage.setItem(DONE, JSON.stringify([...done().add(page.dataset.name)]));
}

/** Offers the newest blocks for the heist. */
function offer() {
  const select = element("height"), honest = state.chain(headOf(state, first(state)), 8).filter((block) => block.index > 0);
  const key = honest.map((block) => block.hash).join();
  if (select.dataset.key === key || here.height !== null) return;
  select.dataset.key = key;
  const chosen = select.value;
  select.replaceChildren(...honest.map((block) => make("option", { value: block.index, textContent: `${block.index}: ${block.message.slice(0, 30)}` })));
  if (honest.some((block) => String(block.index) === chosen)) select.value = chosen;
}

async function rob() {
  const thief = last(state).name, height = Number(element("height").value), text = element("text").value.replaceAll('"', "'");
  const honest = minerOf(state, first(state)), depth = honest.length - height + honest.unprocessed;
  const answer = await act([`rewind ${thief} ${height - 1}`, `add "${text}" to ${thief}`, `limit ${thief} none`, ...Array.from({ length: depth + 1 }, (_, i) => `add "Page ${i + 1} of another history" to ${thief}`)]);
  if (!answer.error) [here.height, here.text] = [height, text];
}

/** Whether a thief with this share catches up from so many blocks behind; gives up far behind. */
function wins(share, confirmations) {
  let honest = 0, thief = 0;
  while (honest < confirmations) Math.random() < share ? thief++ : honest++;
  for (let behind = honest - thief; behind < 60; behind += Math.random() < share ? -1 : 1) if (behind <= 0) return true;
  return false;
}

function race() {
  const share = Number(element("share").value) / 100, confirmations = Number(element("confirmations").value);
  const won = Array.from({ length: 50 }, () => wins(share, confirmations)).filter(Boolean).length;
  element("raced").textContent = `The thief won ${won} of 50 races. Expected: ${chanceInWords(chanceOf(share, confirmations))}.`;
  here.raced = true;
}

async function checkSignatures() {
  for (const block of state.chain(state.best, 30)) {
    const signed = readSigned(block.message);
    if (!signed || here.signed.has(block.hash) || here.wrong.has(block.hash)) continue;
    const isRight = await verify(signed).catch(() => null);
    if (isRight === null) continue;
    (isRight ? here.signed : here.wrong).add(block.hash);
    element("signed").append(make("li", { className: isRight ? "good" : "bad", textContent: `${isRight ? "✓" : "✗"} block ${block.index}, key ${signed.key.slice(0, 8)}: ${signed.text}` }));
  }
}

function show(fresh) {
  earlier = state ?? fresh;
  state = fresh;
  opened ??= state;
  before ??= state;
  page.dataset.watches = ticks.idle() ? "idle" : "busy";
  if (element("height")) offer();
  if (element("signed")) checkSignatures();
  tick();
}

function listen() {
  for (const button of page.querySelectorAll("[data-orders]")) button.addEventListener("click", () => set(button.dataset.orders));
  const on = (id, run) => element(id)?.addEventListener("submit", (event) => {
    event.preventDefault();
    Promise.resolve(run()).catch((error) => (element("seen").textContent = String(error.message ?? error)));
  });
  on("add", async () => {
    element("seen").textContent = (await add(element("text").value)) ? "It waits to be mined." : "The miner did not take it.";
  });
  on("heist", rob);
  on("race", race);
  on("signatures", async () => add(await sign(element("text").value)));
  element("wrong")?.addEventListener("click", async () => add((await sign(element("text").value)).replace(element("text").value, `${element("text").value} And a cake.`)));
  if (element("keys")) element("keys").textContent = isSecureContext ? "The keys live in this tab and are gone with it." : "Browsers sign only on pages opened as 127.0.0.1 or localhost, or over HTTPS; open this page on the host of the class.";
}

if (page) {
  listen();
  follow(show, 600);
} else {
  const all = done();
  for (const link of document.querySelectorAll("[data-experiment]")) if (all.has(link.dataset.experiment)) link.querySelector(".tick").textContent = "✓";
}
