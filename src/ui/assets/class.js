// What the pages of a class share: the state of its network, and orders to its miners.

import { element } from "./page.js";

/** All that is seen of the network now. */
export async function look() {
  const answer = await fetch("/wall/state", { cache: "no-store", signal: AbortSignal.timeout(15000) });
  if (!answer.ok) throw new Error(`the class answers ${answer.status}`);
  return new State(await answer.json());
}

/** Gives orders, one a line, and shows the commands that do the same. */
export async function order(...lines) {
  let done;
  try {
    const answer = await fetch("/orders", { method: "POST", body: lines.join("\n") });
    done = await answer.json();
  } catch {
    done = { commands: [], error: "the class does not answer" };
  }
  const log = element("commands");
  if (log) {
    const text = [...lines.map((line) => `# ${line}`), ...done.commands, ...(done.error ? [`# not done: ${done.error}`] : [])];
    log.textContent = [...(log.dataset.used ? [log.textContent] : []), ...text].join("\n");
    log.dataset.used = "yes";
    log.scrollTop = log.scrollHeight;
  }
  return done;
}

/** A message to any miner, which everybody may add, through the form of every page. */
export async function add(text) {
  const body = new URLSearchParams({ message: text });
  return (await fetch("/add", { method: "POST", body, redirect: "manual" })).type === "opaqueredirect";
}

/** Asks again and again while somebody looks. */
export function follow(show, milliseconds = 400) {
  const lost = element("lost");
  const next = async () => {
    try {
      if (!document.hidden) {
        const state = await look();
        lost.hidden = true;
        show(state);
      }
    } catch (error) {
      lost.textContent = `The class does not answer; asking again. (${error.message})`;
      lost.hidden = false;
    }
    setTimeout(next, milliseconds);
  };
  next();
}

/** What is seen of the network. */
class State {
  constructor(seen) {
    Object.assign(this, seen);
    this.byHash = new Map(this.blocks.map((block) => [block.hash, block]));
    this.member = new Map(this.class.map((member) => [member.name, member]));
    /** The places of all miners but those of the class that are gone. */
    this.present = this.miners.map((_, place) => place).filter((place) => this.stateOf(place) !== "absent");
    const heads = this.miners.filter((miner) => miner.answers).map((miner) => miner.head);
    const best = (a, b) => (this.heightOf(b) - this.heightOf(a)) || (a < b ? -1 : 1);
    this.heads = [...new Set(heads)].filter(Boolean).sort(best);
    this.best = this.heads[0] ?? null;
    this.main = new Set(this.chain(this.best).map((block) => block.hash));
  }

  heightOf(hash) {
    return this.byHash.get(hash)?.index ?? -1;
  }

  /** The known blocks from a head down. */
  chain(head, most = 120) {
    const blocks = [];
    for (let block = this.byHash.get(head); block && blocks.length < most; block = this.byHash.get(block.previous)) blocks.push(block);
    return blocks;
  }

  nameOf(place) {
    const miner = this.miners[place], own = this.class.find((member) => member.place === place);
    return miner?.name ?? own?.name ?? miner?.address ?? "somebody";
  }

  /** The person or the miner that found a block. */
  finderOf(block) {
    return block.by ?? (block.finder === null ? null : this.nameOf(block.finder));
  }

  /** `running`, `paused`, `dead`, `absent`; of others `running` if they answer. */
  stateOf(place) {
    const miner = this.miners[place], own = this.class.find((member) => member.place === place);
    if (miner.is_free) return "absent";
    // Somebody may have started a miner by hand where one of the class would be.
    if (!own || (own.state === "absent" && miner.answers)) return miner.answers ? "running" : "dead";
    return own.state;
  }

  isCut(one, other) {
    return this.cuts.some(([a, b]) => (a === one && b === other) || (a === other && b === one));
  }

  /** Guesses a second that a miner may make now. */
  power(place) {
    const miner = this.miners[place];
    if (this.stateOf(place) !== "running") return 0;
    return miner.limit === null ? miner.rate : miner.limit;
  }
}
