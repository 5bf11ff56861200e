/**
 * Random octets in small portions: the system's generator is asked for many at a time, because asking costs it more
 * than making them.
 */

/** Octets that are drawn at a time: ids for some hundred messages. */
const DRAWN = 4096;

/**
 * @param draw gives that many random octets, as `randomBytes` of node:crypto does
 * @returns the same for portions; none is ever given twice
 */
export function randomPool(draw: (octets: number) => Uint8Array): (octets: number) => Uint8Array {
  let pool: Uint8Array = new Uint8Array();
  let used = 0;
  return (octets) => {
    if (octets > DRAWN) return draw(octets);
    if (used + octets > pool.length) {
      pool = draw(DRAWN);
      used = 0;
    }
    const portion = pool.subarray(used, used + octets);
    used += octets;
    return portion;
  };
}
