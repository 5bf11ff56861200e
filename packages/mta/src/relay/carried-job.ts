/**
 * A job as it goes to the thread that carries it out. Most of a claim is the queue's, the schedule's and the log's:
 * what the thread has no use for stays in the main thread, as each name and each value is written and read once more
 * on the way.
 */
import type { Claim, QueuedEnvelope, QueuedRecipient } from '../queue/queue.js';
import type { Job } from './job.js';

export interface CarriedJob {
  readonly number: number;
  readonly claim: CarriedClaim;
  readonly body: Uint8Array;
}

export interface CarriedClaim extends Pick<Claim, 'destination' | 'leaseUntil'> {
  readonly envelope: Pick<
    QueuedEnvelope,
    'from' | 'envid' | 'ret' | 'requireTls' | 'eightBit' | 'utf8Header' | 'tlsRequiredNo'
  >;
  readonly recipients: readonly CarriedRecipient[];
}

export type CarriedRecipient = Pick<QueuedRecipient, 'address' | 'notify' | 'orcpt'>;

export function carried({ number, claim, body }: Job): CarriedJob {
  const { destination, leaseUntil, envelope, recipients } = claim;
  const { from, envid, ret, requireTls, eightBit, utf8Header, tlsRequiredNo } = envelope;
  return {
    number,
    claim: {
      destination,
      leaseUntil,
      envelope: { from, envid, ret, requireTls, eightBit, utf8Header, tlsRequiredNo },
      recipients: recipients.map(carriedRecipient),
    },
    body,
  };
}

const carriedRecipient = ({ address, notify, orcpt }: CarriedRecipient): CarriedRecipient => ({
  address,
  notify,
  orcpt,
});
