import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { readRelayConfig } from './relay-config.js';
import { ConfigError, Table } from './table.js';

function read(text: string) {
  const table = new Table({ file: 'danelaw.toml', text }, parse(text));
  const config = readRelayConfig(table);
  table.end();
  return config;
}

describe('the configuration of the relay', () => {
  it('has a default for everything', () => {
    expect(read('')).toMatchObject({
      state: '/var/lib/danelaw',
      listen: [{ address: '127.0.0.1', port: 2525, tls: 'starttls' }],
      clients: { networks: ['127.0.0.0/8', '::1/128'], openRelay: false },
      queue: { engine: 'embedded' },
      delivery: { level: 'dane', port: 25 },
      retry: { first: 300_000, expireAfter: 432_000_000 },
    });
  });

  it('reads every table', () => {
    const config = read(`
      hostname = "Mail.Example.NET"
      state = "/srv/danelaw"

      [[listen]]
      address = "[::1]:465"
      tls = "implicit"

      [tls]
      certificate = "/etc/ssl/mail.pem"
      key = "/etc/ssl/mail.key"

      [clients]
      networks = ["10.0.0.0/8"]
      message_size = "25MiB"

      [users]
      "alice@example.net" = "$scrypt$"

      [queue]
      engine = "postgres"
      url = "postgres://danelaw@db.example.net/danelaw"

      [retry]
      first = "1m"
      expire = "2d"

      [delivery]
      level = "dane-only"
      source_ipv6 = "2001:db8::1"

      [delivery.timeouts]
      connect = "10s"
      data_end = "20m"

      [dns]
      resolver = ["127.0.0.1#5353"]

      [log]
      level = "warn"
    `);
    expect(config).toMatchObject({
      hostname: 'mail.example.net',
      listen: [{ address: '::1', port: 465, tls: 'implicit' }],
      tls: { certificate: '/etc/ssl/mail.pem' },
      clients: { networks: ['10.0.0.0/8'], messageSize: 25 * 1024 ** 2 },
      users: new Map([['alice@example.net', '$scrypt$']]),
      queue: { engine: 'postgres' },
      retry: { first: 60_000, expireAfter: 172_800_000 },
      delivery: { level: 'dane-only', source: { ipv6: '2001:db8::1' } },
      dns: { resolver: ['127.0.0.1#5353'] },
      log: { level: 'warn' },
    });
    expect(config.delivery.timeouts).toMatchObject({ connect: 10_000, 'data-end': 1_200_000, mail: 300_000 });
  });

  it.each<[string, string, string]>([
    [
      'a misspelt key',
      'hostnaem = "a.example"',
      'line 1: hostnaem: is no key here; did you mean "hostname"?',
    ],
    [
      'a misspelt key in a table',
      '[retry]\nfirst = "5m"\nexpires = "5d"',
      'line 3: retry.expires: is no key here; did you mean "expire"?',
    ],
    [
      'a key in the second of several tables',
      '[[listen]]\naddress = "127.0.0.1:25"\n\n[[listen]]\naddress = "127.0.0.1:26"\ntsl = "implicit"',
      'line 6: listen[2].tsl: is no key here; did you mean "tls"?',
    ],
    ['a word that is not among the choices', '[queue]\nengine = "postgers"', 'did you mean "postgres"?'],
    ['a duration without a unit', '[retry]\nfirst = "5"', 'line 2: retry.first: must be a duration as in'],
    ['a number for a text', 'state = 5', 'line 1: state: must be a text in quotes'],
    ['a key that is missing', '[[listen]]\ntls = "implicit"', 'line 1: listen[1].address: is missing'],
    [
      'an address that is none',
      '[[listen]]\naddress = "localhost:25"',
      'line 2: listen[1].address: "localhost:25"',
    ],
    ['a name that is none', 'hostname = "a b"', 'line 1: hostname: "a b" is no host name'],
    ['a certificate without a key', '[tls]\ncertificate = "x"', 'line 1: tls.key: is missing'],
    ['a database without a place', '[queue]\nengine = "postgres"', 'queue.url: is missing'],
    ['a number that is too large', '[delivery]\nworkers = 65', 'must be a whole number from 1 to 64'],
  ])('says what is wrong, and in which line: %s', (_, text, expected) => {
    expect(() => read(text)).toThrow(ConfigError);
    expect(() => read(text)).toThrow(expected);
  });
});
