import { describe, expect, test } from 'vitest';
import { formatServer, parseServer } from './server-address.js';

const PIN = `${'A'.repeat(41)}+/=`;
const OTHER_PIN = `${'b'.repeat(43)}=`;

describe('the address of a name server', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1', 53],
    ['192.0.2.1#5353', '192.0.2.1', 5353],
    ['2001:db8::1', '2001:db8::1', 53],
    ['2001:db8::1#53', '2001:db8::1', 53],
    ['[2001:db8::1]', '2001:db8::1', 53],
    ['[2001:db8::1]#65535', '2001:db8::1', 65_535],
    ['fe80::1%eth0#53', 'fe80::1%eth0', 53],
    ['tls://192.0.2.1', '192.0.2.1', 853],
    ['tls://[2001:db8::1]#8853/dns.example', '2001:db8::1', 8853],
  ])('%s is read', (text, address, port) => {
    expect(parseServer(text)).toMatchObject({ address, port });
  });

  test.each([
    ['tls://192.0.2.1', { pins: [] }, 'tls://192.0.2.1#853'],
    ['tls://192.0.2.1/', { pins: [] }, 'tls://192.0.2.1#853'],
    ['tls://192.0.2.1/dns.example', { name: 'dns.example', pins: [] }, 'tls://192.0.2.1#853/dns.example'],
    [`tls://192.0.2.1?pin=sha256-${PIN}`, { pins: [PIN] }, 'tls://192.0.2.1#853'],
    [
      `tls://2001:db8::1#5/dns.example?pin=sha256-${PIN}&pin=sha256-${OTHER_PIN}`,
      { name: 'dns.example', pins: [PIN, OTHER_PIN] },
      'tls://2001:db8::1#5/dns.example',
    ],
  ])('%s says who has to be there', (text, tls, shown) => {
    expect(parseServer(text).tls).toEqual(tls);
    expect(formatServer(parseServer(text))).toBe(shown);
  });

  test.each([
    ['', /not the address/],
    ['localhost', /not the address/],
    ['192.0.2.1:53', /ADDRESS#PORT/],
    ['[192.0.2.1]#53', /not the address/],
    ['[2001:db8::1', /not the address/],
    ['2001:db8::1]', /not the address/],
    ['192.0.2.1#', /not the address/],
    ['192.0.2.1#0', /not a port/],
    ['192.0.2.1#65536', /not a port/],
    ['192.0.2.1#53#53', /not the address/],
    ['#53', /not the address/],
    ['tls://', /not the address/],
    ['tls://dns.example', /tls:\/\/ADDRESS\/NAME/],
    ['tls://192.0.2.1/dns example', /not the name of a server/],
    ['tls://192.0.2.1#0/dns.example', /not a port/],
    ['tls://192.0.2.1?pin=sha256-AAAA', /not a pin/],
    [`tls://192.0.2.1?pin=sha1-${PIN}`, /not a pin/],
    [`tls://192.0.2.1?${PIN}`, /pin=sha256-BASE64/],
    ['tls://192.0.2.1?', /not a pin/],
    [`tls://192.0.2.1?pin=sha256-${PIN}&name=x`, /not a pin/],
    ['TLS://192.0.2.1', /not the address/],
  ])('"%s" is refused, with a reason', (text, message) => {
    expect(() => parseServer(text)).toThrow(TypeError);
    expect(() => parseServer(text)).toThrow(message);
  });
});
