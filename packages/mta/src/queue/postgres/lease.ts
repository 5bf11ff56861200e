/**
 * The claims that this node holds: when each ends by this node's monotonic clock, and how they are made
 * longer.
 */
import type { Claim } from '../queue.js';
import type { Statement } from './database.js';

export const RENEW: Statement = {
  name: 'lease-renew',
  text: `with mine as (
      select w.message, w.destination, w.fence
      from unnest($1::text[], $2::text[], $3::bigint[]) as c (message, destination, fence)
      join work w on w.message = c.message and w.destination = c.destination and w.fence = c.fence
      where w.leased_until > clock_timestamp()
      order by w.message, w.destination for update of w
    )
    update work w set leased_until = clock_timestamp() + $4::float8 * interval '1 millisecond'
    from mine m where w.message = m.message and w.destination = m.destination
    returning w.fence::float8 as fence`,
};

export class Leases {
  /** By fence: no two claims of a queue have the same. */
  readonly #live = new Map<number, { readonly claim: Claim; readonly end: number }>();

  hold(claim: Claim, end: number): void {
    this.#live.set(claim.fence, { claim, end });
  }

  drop(claim: Claim): void {
    this.#live.delete(claim.fence);
  }

  /** On the monotonic clock; undefined for a claim that this node does not hold. */
  endOf(claim: Claim): number | undefined {
    return this.#live.get(claim.fence)?.end;
  }

  all(): Claim[] {
    return [...this.#live.values()].map(({ claim }) => claim);
  }
}
