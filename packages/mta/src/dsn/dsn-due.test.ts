import { describe, expect, it } from 'vitest';
import type { Notify } from '../queue/queue.js';
import { actionOfHandover, type DsnAction, dsnDue } from './dsn-due.js';

const ME = 'me@a.example';

describe('whether a report is due (RFC 3461)', () => {
  it.each<[string, Notify | undefined, DsnAction, boolean]>([
    ['section 5.2.6 (c): failed, and nothing was said', undefined, 'failed', true],
    ['section 5.2.6 (a): failed, NOTIFY=FAILURE', ['failure'], 'failed', true],
    ['section 5.2.6 (a): failed, NOTIFY=SUCCESS,FAILURE', ['success', 'failure'], 'failed', true],
    ['section 5.2.6 (b): failed, NOTIFY=SUCCESS', ['success'], 'failed', false],
    ['section 5.2.6 (b): failed, NOTIFY=DELAY', ['delay'], 'failed', false],
    ['section 4.1: failed, NOTIFY=NEVER', 'never', 'failed', false],
    ['section 5.2.5 (b): delayed, and nothing was said', undefined, 'delayed', true],
    ['section 5.2.5 (a): delayed, NOTIFY=DELAY', ['delay'], 'delayed', true],
    ['section 5.2.5 (c): delayed, NOTIFY=FAILURE', ['failure'], 'delayed', false],
    ['section 5.2.5 (c): delayed, NOTIFY=NEVER', 'never', 'delayed', false],
    ['section 5.2.2 (b): relayed, NOTIFY=SUCCESS', ['success'], 'relayed', true],
    ['section 5.2.2 (e): relayed, and nothing was said', undefined, 'relayed', false],
    ['section 5.2.2 (d): relayed, NOTIFY=NEVER', 'never', 'relayed', false],
    ['relayed, NOTIFY=FAILURE,DELAY', ['failure', 'delay'], 'relayed', false],
    ['section 5.2.3 (a): delivered, NOTIFY=SUCCESS', ['success'], 'delivered', true],
    ['section 5.2.3 (b): delivered, NOTIFY=FAILURE', ['failure'], 'delivered', false],
    ['section 5.2.3 (c): delivered, and nothing was said', undefined, 'delivered', false],
    ['section 5.2.7.3 (c): expanded, NOTIFY=SUCCESS', ['success'], 'expanded', true],
    ['section 5.2.7.3 (c): expanded, and nothing was said', undefined, 'expanded', false],
  ])('%s', (_, notify, action, due) => {
    expect(dsnDue(notify, action, ME)).toBe(due);
  });

  it.each<DsnAction>(['failed', 'delayed', 'delivered', 'relayed', 'expanded'])(
    'section 5.2: never for a message from the null sender (%s)',
    (action) => {
      expect(dsnDue(['success', 'failure', 'delay'], action, '')).toBe(false);
      expect(dsnDue(undefined, action, '')).toBe(false);
    },
  );
});

describe('a message that the next hop took', () => {
  it.each([
    ['is the business of a server that offers DSN (section 5.2.1)', { dsn: true }, undefined],
    ['was relayed where the server does not (section 5.2.2 (b))', {}, 'relayed'],
  ] as const)('%s', (_, outcome, action) => {
    expect(actionOfHandover(outcome)).toBe(action);
  });
});
