// Nakamoto's formula, from chapter 11 of "Bitcoin: A Peer-to-Peer Electronic Cash System".

/** From so many blocks on, the chance is below one in a million, even with 49 %. */
const BLOCKS_MAX = 20000;

/**
 * The chance that an attacker with this share of all hash power ever catches up with a
 * chain that is so many blocks ahead, while both go on mining.
 */
export function chanceOf(share, blocks) {
  const honest = 1 - share, odds = share / honest;
  if (odds >= 1 || blocks === 0) return 1;
  if (blocks > BLOCKS_MAX) return 0;
  const mean = blocks * odds;
  // Of its logarithm, since it may be too small for a number.
  let poisson = -mean, fails = 0;
  for (let mined = 0; mined <= blocks; mined++) {
    if (mined > 0) poisson += Math.log(mean / mined);
    fails += Math.exp(poisson) * (1 - odds ** (blocks - mined));
  }
  return Math.min(1, Math.max(0, 1 - fails));
}

/** A chance as people read it: `24 %`, `0.13 %`, `less than one in a million`. */
export function chanceInWords(chance) {
  if (chance >= 0.9995) return "100 %";
  if (chance < 1e-6) return "less than one in a million";
  const percent = chance * 100, digits = percent >= 10 ? 0 : percent >= 1 ? 1 : percent >= 0.1 ? 2 : percent >= 0.01 ? 3 : 4;
  return `${percent.toFixed(digits)} %`;
}
