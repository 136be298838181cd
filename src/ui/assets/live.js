// Follows what happens at the miner that a page is about: one question that waits for its
// answer. A hidden tab asks for nothing.

/** Until the server is asked again that does not answer, in milliseconds. */
const PAUSE = 2000;

/**
 * A page rests so many times as long as it was busy: however much happens, it leaves time for the reader. Most of
 * that time it waits for its miner; with 1 the block of a message just added came 133 ms after it was found.
 */
const REST = 0.25;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const shown = () => new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));

/** The next mark of the miner, or the same one after so many seconds; it is asked for no more once the tab is hidden. */
async function nextMark(mark, seconds) {
  const asked = new AbortController(), end = () => asked.abort(), hide = () => document.hidden && end();
  let isLate = false;
  const late = setTimeout(() => ((isLate = true), end()), seconds * 1000);
  document.addEventListener("visibilitychange", hide);
  const query = new URLSearchParams({ after: mark });
  const at = new URLSearchParams(location.search).get("at"), of = document.querySelector("[data-of]")?.dataset.of;
  if (at) query.set("at", at);
  if (of) query.set("of", of);
  try {
    const answer = await fetch(`/news?${query}`, { cache: "no-store", signal: asked.signal });
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    return await answer.text();
  } catch (error) {
    if (isLate) return mark;
    throw error;
  } finally {
    clearTimeout(late);
    document.removeEventListener("visibilitychange", hide);
  }
}

/**
 * Calls `hear` whenever something has happened, after so many quiet seconds, and when the tab is
 * looked at again. What it throws goes to `fail`, and it is called again soon.
 */
export async function follow(hear, fail, seconds = 20) {
  for (let mark = "0"; ; ) {
    if (document.hidden) {
      await shown();
      mark = "0";
      continue;
    }
    let began = performance.now(), isTold = true;
    try {
      mark = await nextMark(mark, seconds);
      began = performance.now();
    } catch {
      if (document.hidden) continue;
      isTold = false;
    }
    await Promise.resolve().then(hear).catch(fail);
    await pause(isTold ? REST * (performance.now() - began) : PAUSE);
  }
}
