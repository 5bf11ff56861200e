/**
 * What all connections of a listener share: the settings of the moment, and what is counted over all of them.
 */
import type { Acceptance } from '../acceptance/submission.js';
import { ConnectionSlots } from './connection-slots.js';
import type { ListenerLog } from './listener-log.js';
import { LoginThrottle } from './login-throttle.js';
import { OctetBudget } from './octet-budget.js';
import {
  DEFAULT_LIMITS,
  DEFAULT_NETWORKS,
  type ListenerLimits,
  type ListenerOptions,
  type ListenerSettings,
} from './options.js';
import { PasswordChecker } from './password.js';
import { RelayNetworks } from './relay-access.js';

/** One message of the largest size must find room in memory, or it would be put off for ever. */
const SPARE_OCTETS = 1024 * 1024;

export class RelayState {
  readonly acceptance: Acceptance;
  readonly log: ListenerLog;
  readonly clock: () => number;
  readonly passwords = new PasswordChecker();
  readonly throttle: LoginThrottle;
  readonly slots: ConnectionSlots;
  readonly budget: OctetBudget;
  name = '';
  limits: ListenerLimits = DEFAULT_LIMITS;
  networks = new RelayNetworks([]);
  submissionNetworks = new RelayNetworks([]);
  hasUsers = false;
  /** There is a certificate of the operator's: TLS is offered. */
  hasCertificate = false;
  closing = false;
  readonly #accepting = new Set<Promise<unknown>>();

  constructor(options: ListenerOptions) {
    this.acceptance = options.acceptance;
    this.log = options.log;
    this.clock = options.clock ?? (() => performance.now());
    this.throttle = new LoginThrottle(0, this.clock);
    this.slots = new ConnectionSlots(0, 0);
    this.budget = new OctetBudget(0);
    this.apply(options);
  }

  /** @throws TypeError where a network is none; nothing has changed then */
  apply(settings: ListenerSettings): void {
    const networks = new RelayNetworks(settings.networks);
    const submissionNetworks = new RelayNetworks(settings.submissionNetworks ?? DEFAULT_NETWORKS);
    const limits = { ...DEFAULT_LIMITS, ...settings.limits };
    this.name = settings.name;
    this.networks = networks;
    this.submissionNetworks = submissionNetworks;
    this.limits = limits;
    this.hasUsers = settings.users.size > 0;
    this.passwords.users = settings.users;
    this.throttle.limit = limits.failedLoginsOfClient;
    this.slots.limit = limits.connections;
    this.slots.limitOfClient = limits.connectionsOfClient;
    this.budget.limit = Math.max(limits.octetsInMemory, limits.messageOctets + SPARE_OCTETS);
  }

  /** Messages that are being accepted outlive their connections; who closes the listener waits for them. */
  track(accepting: Promise<unknown>): void {
    this.#accepting.add(accepting);
    void accepting.finally(() => this.#accepting.delete(accepting));
  }

  async accepted(): Promise<void> {
    while (this.#accepting.size > 0) await Promise.allSettled(this.#accepting);
  }
}
