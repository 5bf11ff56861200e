import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { QueueFullError, QueueUnusableError } from '../queue.js';
import { concernsOneMember, Interrupted, isCorruption, understand } from './failure.js';

function said(code: string): pg.DatabaseError {
  const error = new pg.DatabaseError('what the server said', 0, 'error');
  error.code = code;
  return error;
}

describe('a failure of the database', () => {
  it.each<[string, unknown, boolean]>([
    ['a connection that was refused', new Error('connect ECONNREFUSED 192.0.2.1:5432'), true],
    ['a connection that broke', new Error('Connection terminated unexpectedly'), true],
    ['a server that goes down', said('57P01'), true],
    ['a server that crashed', said('57P02'), true],
    ['a server that is not up yet', said('57P03'), true],
    ['a transaction that idled for too long', said('25P03'), true],
    ['too many connections', said('53300'), true],
    ['a broken protocol', said('08P01'), true],
    ['a deadlock', said('40P01'), false],
    ['a lock that did not come', said('55P03'), false],
    ['a statement that took too long', said('57014'), false],
  ])('is tried again: %s', (_, error, connectionLost) => {
    const understood = understand(error);
    expect(understood).toBeInstanceOf(Interrupted);
    expect(understood).toMatchObject({ connectionLost });
    expect(concernsOneMember(understood)).toBe(false);
  });

  it('is no room: a full disk', () => {
    expect(understand(said('53100'))).toBeInstanceOf(QueueFullError);
  });

  it.each([
    ['read-only', '25006'],
    ['no privilege', '42501'],
    ['a wrong password', '28P01'],
    ['no such user', '28000'],
    ['no such database', '3D000'],
    ['no such schema', '3F000'],
    ['no such table', '42P01'],
  ])('is nothing that another try would mend: %s', (_, code) => {
    const understood = understand(said(code));
    expect(understood).toBeInstanceOf(QueueUnusableError);
    expect(understood.message).toContain(code);
    expect(concernsOneMember(understood)).toBe(false);
  });

  it.each([
    ['no password for a server that wants one', 'SASL: client password must be a string', undefined],
    ['no TLS where it is demanded', 'The server does not support SSL connections', undefined],
    ['a certificate that does not hold', 'self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['a certificate of another host', 'Hostname/IP does not match', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('is nothing that another try would mend: %s', (_, message, code) => {
    const error = Object.assign(new Error(message), { code });
    expect(understand(error)).toBeInstanceOf(QueueUnusableError);
  });

  it.each([
    ['text that is none', '22021'],
    ['a key that is there already', '23505'],
    ['a fault of ours', '42601'],
  ])('concerns those alone who sent the data: %s', (_, code) => {
    const error = said(code);
    expect(understand(error)).toBe(error);
    expect(concernsOneMember(error)).toBe(true);
  });

  it('is what the queue itself found', () => {
    const error = new QueueUnusableError("can't read the password");
    expect(understand(error)).toBe(error);
  });

  it.each([
    ['XX001', true],
    ['XX002', true],
    ['22021', false],
  ])('is corruption or not: %s', (code, expected) => {
    expect(isCorruption(said(code))).toBe(expected);
  });
});
