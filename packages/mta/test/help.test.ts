import { describe, expect, it } from 'vitest';
import { run } from './program.js';

describe('help', () => {
  it.each([
    ['danelaw', ['--help']],
    ['danelaw send', ['send', '--help']],
    ['danelaw check', ['check', '--help']],
    ['danelaw resolve', ['resolve', '--help']],
    ['danelaw tlsa', ['tlsa', '--help']],
    ['danelaw tlsa create', ['tlsa', 'create', '--help']],
    ['danelaw tlsa verify', ['tlsa', 'verify', '--help']],
    ['danelaw tlsa deploy', ['tlsa', 'deploy', '--help']],
    ['danelaw tlsa rollover', ['tlsa', 'rollover', '--help']],
    ['danelaw tlsa rollover start', ['tlsa', 'rollover', 'start', '--help']],
    ['danelaw tlsa rollover step', ['tlsa', 'rollover', 'step', '--help']],
    ['danelaw tlsrpt', ['tlsrpt', '--help']],
    ['danelaw tlsrpt show', ['tlsrpt', 'show', '--help']],
    ['danelaw tlsrpt list', ['tlsrpt', 'list', '--help']],
    ['danelaw tlsrpt send', ['tlsrpt', 'send', '--help']],
    ['danelaw policy show', ['policy', 'show', '--help']],
    ['danelaw policy-server', ['policy-server', '--help']],
    ['danelaw sendmail', ['sendmail', '--help']],
    ['danelaw dkim key', ['dkim', 'key', '--help']],
    ['danelaw dkim record', ['dkim', 'record', '--help']],
    ['danelaw user hash', ['user', 'hash', '--help']],
    ['danelaw serve', ['serve', '--help']],
    ['danelaw queue', ['queue', '--help']],
    ['danelaw queue list', ['queue', 'list', '--help']],
    ['danelaw demo', ['demo', '--help']],
  ])('%s explains itself', async (_, argv) => {
    const { code, out, err } = await run(argv);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatchSnapshot();
  });
});
