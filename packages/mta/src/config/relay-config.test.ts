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
      lease = "25m"

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

  it('takes own_domains beside the hostname, in A-labels, as addresses are compared with them', () => {
    const { ownDomains } = read(
      'hostname = "mx.example.net"\nown_domains = ["B\u00fccher.example", "Example.NET"]',
    );
    expect(ownDomains).toEqual(['mx.example.net', 'xn--bcher-kva.example', 'example.net']);
    expect(read('hostname = "mx.example.net"').ownDomains).toEqual(['mx.example.net']);
  });

  it.each([
    ['delivery', 'idle', '1d'],
    ['delivery', 'stop_within', '1d'],
    ['delivery.timeouts', 'data_end', '1d'],
    ['queue', 'lease', '1d'],
    ['retry', 'expire', '365d'],
  ])('takes no [%s] %s that is longer than %s: a timer would end at once', (table, key, most) => {
    read(`[${table}]\n${key} = "${most}"`);
    expect(() => read(`[${table}]\n${key} = "366d"`)).toThrow(`line 2: ${table}.${key}: must be a duration`);
  });

  it.each<[string, string, string]>([
    ['a lease that ends at once', '[queue]\nlease = "1s"', 'line 2: queue.lease: must be a duration'],
    [
      'claims that end before the final dot could be answered, so that none would be sent',
      '[queue]\nengine = "postgres"\nurl = "postgres://d@db/d"\n[delivery.timeouts]\ndata_end = "20m"',
      'queue.lease: has to be longer than delivery.timeouts.data_end (1200s)',
    ],
    ['a time-out of nothing', '[delivery.timeouts]\nmail = "0s"', 'from 1ms to 1d'],
    [
      'messages smaller than any server may refuse',
      '[clients]\nmessage_size = "1KiB"',
      'from 64KiB to 200MiB',
    ],
    [
      'messages larger than a queue can give back',
      '[clients]\nmessage_size = "1GiB"',
      'from 64KiB to 200MiB',
    ],
    ['fewer recipients than RFC 5321 section 4.5.3.1.8 has', '[clients]\nrecipients = 99', 'from 100 to'],
    ["reports in nobody's name", '[tls_reports]\nenabled = true', 'tls_reports.organization: is missing'],
    [
      'reports from nowhere',
      '[tls_reports]\nenabled = true\norganization = "Us"',
      'tls_reports.contact: is missing',
    ],
    [
      'reports from what is no address',
      '[tls_reports]\ncontact = "tls at example.org"',
      'line 2: tls_reports.contact: "tls at example.org" is no address for reports: it has no domain',
    ],
    [
      'an address twice',
      '[[listen]]\naddress = "127.0.0.1:25"\n[[listen]]\naddress = "127.0.0.1:25"',
      'line 4: listen[2].address: "127.0.0.1:25" is listened on already',
    ],
    ['an own domain that is none', 'own_domains = ["a b"]', 'line 1: own_domains: "a b" is no domain'],
    [
      'an alias that comes back',
      'hostname = "mx.example.net"\n[aliases]\nroot = "postmaster@mx.example.net"',
      'line 3: aliases.root: "postmaster@mx.example.net" is at a name of this relay',
    ],
    [
      "a database's password for no database",
      '[queue]\npassword_file = "x"',
      'line 2: queue.password_file: is for',
    ],
    ['a list of no resolvers', '[dns]\nresolver = []', 'line 2: dns.resolver: has no address'],
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
