import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { readHttpConfig } from './http-config.js';
import { ConfigError, Table } from './table.js';

const read = (text: string) => readHttpConfig(new Table({ file: 'danelaw.toml', text }, parse(text)));

describe('[http]', () => {
  it('is off unless it says where', () => {
    expect(read('')).toBeUndefined();
  });

  it('needs no token on loopback, and takes one elsewhere', () => {
    const nobody = { token: undefined, tokenFile: undefined, page: true };
    expect(read('listen = "127.0.0.1:8025"')).toEqual({ address: '127.0.0.1', port: 8025, ...nobody });
    expect(read('listen = "[::1]:8025"')).toEqual({ address: '::1', port: 8025, ...nobody });
    expect(read('listen = "127.0.0.1:8025"\npage = false')).toMatchObject({ page: false });
    expect(read('listen = "0.0.0.0:8025"\ntoken_file = "/t"')).toMatchObject({ tokenFile: '/t' });
  });

  it.each([
    ['no token where others can reach it', 'listen = "0.0.0.0:8025"', /can be reached from elsewhere/u],
    ['no token on all addresses', 'listen = "[::]:8025"', /can be reached from elsewhere/u],
    ['a token that can be guessed', 'listen = "127.0.0.1:1"\ntoken = "short"', /too short/u],
    ['two tokens', 'listen = "127.0.0.1:1"\ntoken = "0123456789abcdef"\ntoken_file = "x"', /only one/u],
    ['a token for nothing', 'token = "0123456789abcdef"', /http|listen: is missing/u],
    ['a name in place of an address', 'listen = "localhost:8025"', /is none/u],
    ['a port that is none', 'listen = "127.0.0.1:99999"', /is none/u],
    ['a key that is none', 'lisen = "127.0.0.1:8025"', /did you mean "listen"/u],
  ])('refuses %s', (_, text, words) => {
    expect(() => read(text)).toThrow(ConfigError);
    expect(() => read(text)).toThrow(words);
  });
});
