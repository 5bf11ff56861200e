/**
 * A domain is checked with the eyes of several senders at once. Two that want the same of a server open the same session, so one
 * of them visits it and the other takes what that one saw: a domain with neither DANE nor MTA-STS has one visit for each address,
 * and not three.
 *
 * Senders that want something else have visits of their own. Who asks for proof speaks no TLS before 1.2, may send another name
 * in SNI (the TLSA base domain), and ends where the certificate does not fit - from which nobody learns what goes on for those
 * who would not mind.
 */
import type { AddressProbe, ProbedServer, ProbeOptions } from '@danelaw/smtp';

type Turn = NonNullable<ProbeOptions['turn']>;

export class SharedVisits {
  readonly #visits = new Map<string, Promise<AddressProbe>>();
  /** Servers to which the leader has gone, whatever it asks of them. */
  readonly #led = new Set<string>();
  #isLed = true;
  #waiting: (() => void)[] = [];

  /** Of the sender whose visits are told in every detail: it makes all of its own. */
  readonly lead: Turn = (server, open) => {
    const visit = open();
    if (isShared(server)) this.#visits.set(visitKey(server), visit);
    this.#led.add(keyOf(server));
    this.#wake();
    return visit;
  };

  /** The leader makes no more visits. */
  endLead(): void {
    this.#isLed = false;
    this.#wake();
  }

  /** Of the others, once it is known how the leader went there. */
  readonly follow: Turn = async (server, open) => {
    if (!isShared(server)) return await open();
    const there = keyOf(server);
    while (this.#isLed && !this.#led.has(there)) await new Promise<void>((go) => this.#waiting.push(go));
    const key = visitKey(server);
    const known = this.#visits.get(key);
    if (known !== undefined) return await known;
    const visit = open();
    this.#visits.set(key, visit);
    return await visit;
  };

  #wake(): void {
    for (const go of this.#waiting.splice(0)) go();
  }
}

const keyOf = ({ host, address, port }: ProbedServer): string => `${host.toLowerCase()} ${address} ${port}`;
const visitKey = (server: ProbedServer): string => `${keyOf(server)} ${server.level}`;

/** What is wanted does not depend on who wants it: nothing, or what the domain's one MTA-STS policy says. */
const isShared = ({ level }: ProbedServer): boolean => level === 'may' || level === 'sts';
